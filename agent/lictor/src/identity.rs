//! The id of this node: given, remembered in the data directory, or made anew.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use uuid::Uuid;

/// File in the data directory that remembers the id (as Consul's).
const FILE: &str = "node-id";

/// The id in effect. A given one is remembered; without a data directory a made one lives as long as the process.
pub(crate) fn node_id(given: &str, data_dir: Option<&Path>) -> Result<String> {
    let Some(data_dir) = data_dir else {
        return if given.is_empty() { Ok(Uuid::new_v4().to_string()) } else { parse(given) };
    };
    let file = data_dir.join(FILE);
    if !given.is_empty() {
        let id = parse(given)?;
        fs::write(&file, &id).with_context(|| format!("cannot write {}", file.display()))?;
        return Ok(id);
    }
    match fs::read_to_string(&file) {
        Ok(text) => {
            parse(text.trim()).with_context(|| format!("{} holds no node id; remove it to get a new one", file.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = Uuid::new_v4().to_string();
            fs::write(&file, &id).with_context(|| format!("cannot write {}", file.display()))?;
            Ok(id)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn parse(text: &str) -> Result<String> {
    match Uuid::parse_str(text) {
        Ok(id) => Ok(id.to_string()),
        Err(_) => bail!("node_id {text:?} is no UUID"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let made = node_id("", Some(folder.path())).unwrap();
        assert_eq!(node_id("", Some(folder.path())).unwrap(), made);
        let given = "C0FFEE00-0000-4000-8000-000000000001";
        assert_eq!(node_id(given, Some(folder.path())).unwrap(), given.to_lowercase());
        assert_eq!(node_id("", Some(folder.path())).unwrap(), given.to_lowercase());
    }

    #[test]
    fn nonsense_is_refused_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "nonsense").unwrap();
        let error = format!("{:#}", node_id("", Some(folder.path())).unwrap_err());
        assert!(error.contains("node-id"), "{error}");
        assert!(node_id("nonsense", None).is_err());
    }
}
