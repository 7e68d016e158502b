//! `lictor plugin build`: runs the language's own compiler, and judges what comes of it.

use crate::check;
use crate::module::Module;
use lictor_cli::command::{Command, Invocation, Reach, Work};
use lictor_cli::{Failure, flags::value};
use lictor_plugins::Limits;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `lictor plugin build`
pub(crate) const BUILD: Command = Command {
    name: "plugin build",
    about: "Builds the plugin of a directory, and judges its module",
    arguments: "[DIR]",
    help: "A Cargo.toml is built by cargo for wasm32-unknown-unknown, a main.c by clang, a go.mod by go, both for WASI. The module is put into the directory, under the project's name.\n\nExample:\n  lictor plugin build page",
    flags: &[value("out", "path", "Where to put the module.")],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

const RUST_TARGET: &str = "wasm32-unknown-unknown";

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, terminal, .. } = invocation;
    let dir = match given.rest()[..] {
        [] => PathBuf::from("."),
        [dir] => PathBuf::from(dir),
        _ => return Err(Failure::Misused("One directory may be named.".to_owned())),
    };
    let dir = dir.canonicalize().map_err(Failure::because(dir.display()))?;
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let out = match given.text("out") {
        "" => dir.join(format!("{name}.wasm")),
        path => std::path::absolute(path).map_err(Failure::because(path))?,
    };
    let built = if dir.join("Cargo.toml").is_file() {
        rust(&dir).await?
    } else if dir.join("main.c").is_file() {
        let arguments = ["--target=wasm32-wasi", "-Os", "-Wall", "-Wl,--strip-all", "main.c", "-o"];
        spawn("clang", &dir, &arguments, Some(&out), &[], CLANG).await?;
        out.clone()
    } else if dir.join("go.mod").is_file() {
        let environment = [("GOOS", "wasip1"), ("GOARCH", "wasm")];
        spawn("go", &dir, &["build", "-ldflags=-s -w", "-o"], Some(&out), &environment, GO).await?;
        out.clone()
    } else {
        return Err(Failure::Failed(format!("{} holds no Cargo.toml, main.c or go.mod", dir.display())));
    };
    let bytes = std::fs::read(&built).map_err(Failure::because(built.display()))?;
    let module = lictor_plugins::component_of(&bytes).map_err(Failure::because(built.display()))?;
    std::fs::write(&out, module).map_err(Failure::because(out.display()))?;
    let status = Module::open(&out.to_string_lossy(), Limits::default()).await?.status()?;
    terminal.say(&format!("{}\n{}", out.display(), check::text(&status).trim_end()));
    Ok(ExitCode::SUCCESS)
}

const CLANG: &str = "On Debian: apt-get install --no-install-recommends clang lld wasi-libc libclang-rt-dev-wasm32";
const GO: &str = "Go 1.21 or later is needed";
const CARGO: &str = "Rust 1.85 or later is needed, from https://rustup.rs or the distribution";

/// Runs a compiler; its own words go where ours go.
async fn spawn(
    program: &str,
    dir: &Path,
    arguments: &[&str],
    last: Option<&Path>,
    environment: &[(&str, &str)],
    hint: &str,
) -> Result<(), Failure> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).args(last).current_dir(dir).envs(environment.iter().copied());
    match command.status().await {
        Ok(status) if status.success() => Ok(()),
        // It said what it did not like; where it is the toolchain itself, this helps.
        Ok(status) => Err(Failure::Failed(format!("{program} failed ({status}). {hint}"))),
        Err(error) => Err(Failure::Failed(format!("{program}: {error}. {hint}"))),
    }
}

async fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = tokio::process::Command::new(program).args(arguments).output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Takes the ordinary toolchain if it has the target, and Debian's `rustc-web` otherwise, which brings sources instead: the
/// standard library is built along. Its linker is the other one's.
async fn rust(dir: &Path) -> Result<PathBuf, Failure> {
    let libraries = |sysroot: &str| Path::new(sysroot).join("lib/rustlib");
    let own = answer("rustc", &["--print", "sysroot"]).await;
    let has_target = own.as_deref().is_some_and(|sysroot| libraries(sysroot).join(RUST_TARGET).is_dir());
    let debian = answer("/usr/bin/rustc", &["--print", "sysroot"]).await;
    let has_sources = debian.as_deref().is_some_and(|sysroot| libraries(sysroot).join("src/rust/library").is_dir());
    let mut arguments = vec!["build", "--release", "--target", RUST_TARGET];
    let target = dir.join("target");
    let target = target.to_string_lossy().into_owned();
    let mut environment = vec![("CARGO_TARGET_DIR", target.as_str())];
    let linker = own.as_deref().and_then(|sysroot| {
        let hosts = std::fs::read_dir(libraries(sysroot)).ok()?;
        let linkers = hosts.filter_map(|host| Some(host.ok()?.path().join("bin/rust-lld")));
        linkers.into_iter().find(|path| path.is_file()).map(|path| path.to_string_lossy().into_owned())
    });
    if !has_target && has_sources {
        arguments.push("-Zbuild-std=std,panic_abort");
        environment.extend([("RUSTC", "/usr/bin/rustc"), ("RUSTC_BOOTSTRAP", "1")]);
        if let Some(linker) = &linker {
            environment.push(("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker));
        }
    } else if !has_target && own.is_some() {
        return Err(Failure::Failed(format!(
            "this Rust cannot build for {RUST_TARGET}. Either of these helps:\n  rustup target add {RUST_TARGET}\n  apt-get install --no-install-recommends rustc-web rust-web-src"
        )));
    }
    spawn("cargo", dir, &arguments, None, &environment, CARGO).await?;
    let made = Path::new(&target).join(RUST_TARGET).join("release");
    let modules = std::fs::read_dir(&made).map_err(Failure::because(made.display()))?;
    let mut modules = modules.filter_map(|entry| {
        let path = entry.ok()?.path();
        path.extension().is_some_and(|end| end == "wasm").then_some(path)
    });
    match (modules.next(), modules.next()) {
        (Some(module), None) => Ok(module),
        (None, _) => Err(Failure::Failed("cargo built no module: Cargo.toml needs [lib] crate-type = [\"cdylib\"]".to_owned())),
        _ => Err(Failure::Failed(format!("{} holds several modules; remove the old ones", made.display()))),
    }
}
