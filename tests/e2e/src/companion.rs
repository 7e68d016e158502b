//! Programs of others that tests run beside the agent.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A program of others, ended with the test.
pub struct Companion {
    child: Child,
    log: PathBuf,
}

impl Companion {
    /// Starts it; what it writes goes to a file in `folder`.
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        let name = Path::new(command.get_program()).file_name().expect("a program has a name").to_owned();
        let log = folder.join(name).with_extension("log");
        let file = File::create(&log).expect("the log can be made");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file handle can be copied"))
            .stderr(file)
            .spawn()
            .expect("the program starts");
        Self { child, log }
    }

    /// Waits until it has ended by itself.
    pub fn wait_end(&mut self) -> ExitStatus {
        self.child.wait().expect("it is a child of ours")
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Companion {
    #[expect(clippy::print_stderr, reason = "a test that fails tells what its programs did")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// A program that is installed: looked for as a shell does, and where daemons are.
pub fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    wanted(program, folders.map(|folder| folder.join(program)).find(|path| path.is_file()))
}

/// Something in the folder of client libraries: `$LICTOR_CLIENTS`, else where CI keeps them. `tests/e2e/clients/install` fills it.
pub fn client(name: &str) -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let cache = || std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home().join(".cache"), PathBuf::from);
    let folder = std::env::var_os("LICTOR_CLIENTS").map_or_else(|| cache().join("lictor-ci/clients"), PathBuf::from);
    wanted(name, Some(folder.join(name)).filter(|path| path.exists()))
}

/// With `LICTOR_CLIENTS_REQUIRED`, as in CI, what is missing fails the test.
#[expect(clippy::print_stdout, reason = "skipped cases are told to who runs the tests")]
fn wanted(name: &str, found: Option<PathBuf>) -> Option<PathBuf> {
    if found.is_none() {
        assert!(std::env::var_os("LICTOR_CLIENTS_REQUIRED").is_none(), "{name} is not installed");
        println!("skipped: {name} is not installed; tests/e2e/clients/install does it");
    }
    found
}

/// The folder of the scripts that walk an agent with a client.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}
