//! Write a health check as a WebAssembly component.
//!
//! ```ignore
//! use lictor_guest::*;
//!
//! struct Page;
//!
//! impl Check for Page {
//!     fn describe() -> Description {
//!         Description::new("page", "1.0.0").setting("url", Kind::Text, "The page").required().asks("http:{url}", "to fetch it")
//!     }
//!     fn run(check: &Context) -> Result<Outcome, Error> {
//!         let page = http::get(check, check.text("url")?)?;
//!         Ok(Outcome::passing_if(page.status == 200, format!("{} bytes, status {}", page.body.len(), page.status)))
//!     }
//! }
//!
//! lictor_guest::check!(Page);
//! ```
//!
//! Owns: a small, typed face over `lictor:check`. Never: depends on the agent.
//! Entry points: [`Check`], [`check!`].

mod context;
mod describe;
mod error;
pub mod files;
pub mod http;
mod net;
mod outcome;
pub mod tls;

#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit/v1",
        world: "plugin",
        pub_export_macro: true,
        export_macro_name: "export_plugin",
        default_bindings_module: "lictor_guest::bindings",
    });
}

pub use bindings::lictor::check::types::Value;
pub use context::Context;
pub use describe::{Description, Kind};
pub use error::Error;
pub use net::{Tcp, Udp, lookup};
pub use outcome::{Outcome, Status};

/// A check. Nothing is kept between runs.
pub trait Check {
    /// What the plugin is, its settings, and the grants it asks for.
    fn describe() -> Description;

    /// Runs once. An error is a critical outcome with its text.
    fn run(check: &Context) -> Result<Outcome, Error>;
}

/// Makes a type that implements [`Check`] the plugin of this crate.
#[macro_export]
macro_rules! check {
    ($check:ty) => {
        struct LictorPlugin;

        impl $crate::bindings::Guest for LictorPlugin {
            fn describe() -> $crate::bindings::Description {
                <$check as $crate::Check>::describe().into()
            }

            fn run(context: $crate::bindings::Context) -> $crate::bindings::Outcome {
                let context = $crate::Context::from(context);
                <$check as $crate::Check>::run(&context).unwrap_or_else($crate::Outcome::from).into()
            }
        }

        $crate::bindings::export_plugin!(LictorPlugin with_types_in $crate::bindings);
    };
}

/// Writes a line to the agent's log.
pub mod log {
    use crate::bindings::lictor::check::log::{Level, log};

    /// For whoever looks for a fault.
    pub fn debug(message: &str) {
        log(Level::Debug, message);
    }

    /// Worth knowing.
    pub fn info(message: &str) {
        log(Level::Info, message);
    }

    /// Worth looking at.
    pub fn warn(message: &str) {
        log(Level::Warn, message);
    }

    /// Worth waking somebody.
    pub fn error(message: &str) {
        log(Level::Error, message);
    }
}

/// Time; needs the grant `clock`.
pub mod clock {
    pub use crate::bindings::lictor::check::clock::{elapsed_us, wall_ms};
}

/// Chance; needs the grant `random`.
pub mod random {
    pub use crate::bindings::lictor::check::random::bytes;
}

/// The environment; needs grants `env:NAME`.
pub mod env {
    use crate::Error;

    /// A variable of the agent; none when it is not set.
    pub fn get(name: &str) -> Result<Option<String>, Error> {
        crate::bindings::lictor::check::env::get(name).map_err(Error::from)
    }
}
