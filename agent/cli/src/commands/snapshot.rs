//! `lictor snapshot …`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use lictor_archive::Metadata;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::ExitCode;

/// `lictor snapshot save`
pub const SAVE: Command = Command {
    name: "snapshot save",
    about: "Saves the state of the servers in a file",
    arguments: "FILE",
    help: "The archive is verified before it takes its name. It holds tokens and values: only its owner may read it.\n\nExamples:\n  lictor snapshot save backup.snap\n  lictor snapshot save -stale backup.snap",
    flags: &[],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(save(invocation)) as Work<'_>,
};

/// `lictor snapshot restore`
pub const RESTORE: Command = Command {
    name: "snapshot restore",
    about: "Puts the servers in the state of a snapshot",
    arguments: "FILE",
    help: "All state that the servers have is replaced.\n\nExample:\n  lictor snapshot restore backup.snap",
    flags: &[],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(restore(invocation)) as Work<'_>,
};

/// `lictor snapshot inspect`
pub const INSPECT: Command = Command {
    name: "snapshot inspect",
    about: "Verifies a snapshot file and tells what it is of",
    arguments: "FILE",
    help: "Example:\n  lictor snapshot inspect backup.snap",
    flags: &[],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(inspect(invocation)) as Work<'_>,
};

fn only_file<'a>(arguments: &[&'a str]) -> Result<&'a str, Failure> {
    match arguments {
        [] => Err(Failure::Usage("Missing FILE argument".to_owned())),
        [file] => Ok(file),
        more => Err(Failure::Usage(format!("Too many arguments (expected 1, got {})", more.len()))),
    }
}

fn open(file: &str) -> Result<File, Failure> {
    File::open(file).map_err(Failure::because(format!("Error opening snapshot file: open {file}")))
}

async fn save(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let arguments = given.rest();
    let file = only_file(&arguments)?;
    let mut download = client.save_snapshot().await.map_err(Failure::while_doing("Error saving snapshot"))?;
    // Written beside its place, so that an archive that cannot be verified never has the name of a good one.
    let unwritten = |error: std::io::Error| Failure::Failed(format!("Error writing unverified snapshot file: {error}"));
    let folder = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new().prefix(".snapshot-").suffix(".unverified").tempfile_in(folder).map_err(unwritten)?;
    while let Some(bytes) = download.next().await.map_err(Failure::while_doing("Error saving snapshot"))? {
        draft.write_all(&bytes).map_err(unwritten)?;
    }
    draft.as_file().sync_all().map_err(unwritten)?;
    draft.as_file_mut().seek(SeekFrom::Start(0)).map_err(unwritten)?;
    let Metadata { index, .. } =
        lictor_archive::verify(draft.as_file()).map_err(Failure::because("Error verifying snapshot file"))?;
    draft.persist(file).map_err(Failure::because("Error renaming snapshot file"))?;
    terminal.say(&format!("Saved and verified snapshot to index {index}"));
    Ok(ExitCode::SUCCESS)
}

async fn restore(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let arguments = invocation.given.rest();
    let archive = open(only_file(&arguments)?)?;
    invocation.client.restore_snapshot(archive).await.map_err(Failure::while_doing("Error restoring snapshot"))?;
    invocation.terminal.say("Restored snapshot");
    Ok(ExitCode::SUCCESS)
}

async fn inspect(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let arguments = invocation.given.rest();
    let archive = open(only_file(&arguments)?)?;
    let found = lictor_archive::verify(&archive).map_err(Failure::because("Error verifying snapshot"))?;
    for (name, value) in [
        ("ID", found.id),
        ("Size", found.size.to_string()),
        ("Index", found.index.to_string()),
        ("Term", found.term.to_string()),
        ("Version", found.version.to_string()),
    ] {
        invocation.terminal.say(&format!("{name:<13}{value}"));
    }
    invocation.terminal.say("");
    Ok(ExitCode::SUCCESS)
}
