//! Measures an agent, beside a reference agent when one is given, and beside bare loops as the physical limit.
//!
//! Owns: starting the subjects on one core, loading them from another, medians and ratios.
//! Never: asserts a time (the machine may be busy); a figure is printed, a ratio of medians of one run is what counts.
//!
//! ```text
//! cargo run --release -p lictor-bench -- --bin target/release/lictor [--reference PATH] [--etcd PATH] [--only kv,dns] [--rounds 3]
//! ```

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

mod bare;
mod cases;
mod etcd;
mod guest;
mod load;
mod measure;
mod subject;

use anyhow::{Result, bail};
use clap::Parser;
use measure::Figure;
use std::path::PathBuf;

/// Measures an agent beside others.
#[derive(Parser)]
struct Options {
    /// The agent under test.
    #[arg(long)]
    bin: PathBuf,
    /// Another agent with the same command line, measured in the same run. It is told to reload where files change.
    #[arg(long)]
    reference: Option<PathBuf>,
    /// An etcd, measured in the cases that write keys.
    #[arg(long)]
    etcd: Option<PathBuf>,
    /// Only cases whose name begins with one of these words.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds per case and subject; the median is shown.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load per round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut subjects = vec![subject::Program::new("lictor", &options.bin, false)];
    if let Some(reference) = &options.reference {
        subjects.push(subject::Program::new("reference", reference, true));
    }
    measure::pin_to(measure::LOAD_CORE)?;
    println!(
        "{:<26} {:<11} {:>12} {:>12} {:>8} {:>11} {:>9}",
        "case", "subject", "median", "unit", "ratio", "cpu us each", "cpu ratio"
    );
    let mut failures = Vec::new();
    for case in cases::ALL {
        if !options.only.is_empty() && !options.only.iter().any(|word| case.name.starts_with(word.as_str())) {
            continue;
        }
        let mut first: Option<(f64, Option<f64>)> = None;
        let mut tell = |name: &str, figures: Result<Vec<Figure>>| match figures {
            Ok(figures) => {
                let mut values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
                let mut cpu: Vec<f64> = figures.iter().filter_map(|figure| figure.cpu_us).collect();
                let Some(median) = measure::median(&mut values) else { return };
                let cpu = measure::median(&mut cpu);
                row(case, name, median, cpu, first);
                first.get_or_insert((median, cpu));
            }
            // The other rows are worth having all the same.
            Err(error) => failures.push(format!("{} of {name}: {error:#}", case.name)),
        };
        for program in subjects.iter().filter(|program| !(case.ours_alone && program.needs_reload)) {
            tell(program.name, rounds(options.rounds, || (case.run)(program, options.seconds)));
        }
        if let (Some(run), Some(etcd)) = (case.etcd, &options.etcd) {
            tell("etcd", rounds(options.rounds, || Ok(vec![run(etcd, options.seconds)?.into()])));
        }
        if let Some(limit) = case.limit {
            tell("bare loop", rounds(options.rounds, || Ok(vec![limit(options.seconds)?.into()])));
        }
    }
    println!("ratio: how many times better lictor is than that subject; cpu: processor time of the agent for one answer");
    if failures.is_empty() { Ok(()) } else { bail!("not measured: {}", failures.join("; ")) }
}

/// The figures of so many rounds.
fn rounds(count: usize, mut run: impl FnMut() -> Result<Vec<Figure>>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for _ in 0..count {
        figures.extend(run()?);
    }
    Ok(figures)
}

/// Prints one row; `ours` is what lictor reached.
fn row(case: &cases::Case, name: &str, median: f64, cpu: Option<f64>, ours: Option<(f64, Option<f64>)>) {
    let ratio = ours.map_or(String::new(), |(base, _)| format!("{:.2}x", case.ratio(base, median)));
    let spent = cpu.map_or(String::new(), |cpu| format!("{cpu:.1}"));
    let less = match (cpu, ours.and_then(|(_, cpu)| cpu)) {
        (Some(theirs), Some(ours)) => format!("{:.2}x", theirs / ours),
        _ => String::new(),
    };
    println!("{:<26} {name:<11} {median:>12.2} {:>12} {ratio:>8} {spent:>11} {less:>9}", case.name, case.unit);
}
