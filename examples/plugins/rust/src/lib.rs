//! How many files wait in a directory? As a component: settings have types, and the grant it needs is told before the first run.

use lictor_guest::*;

struct Spool;

impl Check for Spool {
    fn describe() -> Description {
        Description::new("spool", env!("CARGO_PKG_VERSION"))
            .summary("Counts the files that wait in a directory")
            .setting("directory", Kind::Text, "Where they wait")
            .required()
            .setting("warning", Kind::Integer, "A warning from so many on")
            .default("100")
            .setting("critical", Kind::Integer, "Critical from so many on")
            .default("1000")
            .asks("dir:{directory}", "to count its files")
    }

    fn run(check: &Context) -> Result<Outcome, Error> {
        let directory = check.text("directory")?;
        let waiting = files::entries(directory).map_err(|error| error.while_doing(directory))?.len() as i64;
        let limit = |key: &str| check.integer(key).unwrap_or(i64::MAX);
        let status = match waiting {
            n if n >= limit("critical") => Status::Critical,
            n if n >= limit("warning") => Status::Warning,
            _ => Status::Passing,
        };
        Ok(Outcome::new(status, format!("{waiting} files wait in {directory}")).metric("waiting", waiting as f64, ""))
    }
}

lictor_guest::check!(Spool);
