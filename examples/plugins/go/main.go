// How many files wait in a directory?  spool.wasm DIRECTORY [WARNING [CRITICAL]]
// The directory must be granted: allow = ["dir:/var/spool/mail"].
package main

import (
	"fmt"
	"os"
	"strconv"
)

func number(at int, otherwise int) int {
	if len(os.Args) > at {
		if n, err := strconv.Atoi(os.Args[at]); err == nil {
			return n
		}
	}
	return otherwise
}

func main() {
	if len(os.Args) < 2 {
		fmt.Printf("usage: %s DIRECTORY [WARNING [CRITICAL]]\n", os.Args[0])
		os.Exit(3)
	}
	warning := number(2, 100)
	critical := number(3, 10*warning)
	entries, err := os.ReadDir(os.Args[1])
	if err != nil {
		fmt.Printf("%s cannot be read; is it granted?\n", os.Args[1])
		os.Exit(2)
	}
	fmt.Printf("%d files wait in %s\n", len(entries), os.Args[1])
	switch {
	case len(entries) >= critical:
		os.Exit(2)
	case len(entries) >= warning:
		os.Exit(1)
	}
}
