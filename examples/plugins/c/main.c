// How many files wait in a directory?  spool.wasm DIRECTORY [WARNING [CRITICAL]]
// The directory must be granted: allow = ["dir:/var/spool/mail"].
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc < 2) {
        printf("usage: %s DIRECTORY [WARNING [CRITICAL]]\n", argv[0]);
        return 3;
    }
    long warning = argc > 2 ? atol(argv[2]) : 100;
    long critical = argc > 3 ? atol(argv[3]) : 10 * warning;
    DIR *dir = opendir(argv[1]);
    if (dir == NULL) {
        printf("%s cannot be read; is it granted?\n", argv[1]);
        return 2;
    }
    long count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    printf("%ld files wait in %s\n", count, argv[1]);
    return count >= critical ? 2 : count >= warning ? 1 : 0;
}
