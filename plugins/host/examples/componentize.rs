//! Wraps a core module built with wit-bindgen into a component: `componentize IN.wasm OUT.wasm`.
//! The agent takes both; a component is what other tools expect in a file.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        return ExitCode::from(2);
    };
    let done = std::fs::read(from).map_err(|error| error.to_string()).and_then(|module| {
        let encode = || wit_component::ComponentEncoder::default().validate(true).module(&module)?.encode();
        let component = encode().map_err(|error| format!("{error:#}"))?;
        std::fs::write(to, component).map_err(|error| error.to_string())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            // Nothing is left to say it to if this fails.
            let _ = writeln!(std::io::stderr(), "{from}: {error}");
            ExitCode::FAILURE
        }
    }
}
