//! Templates of prepared queries: strings with `${…}` in them, filled in from the name that is asked for.
//!
//! The language is the part of HIL that Consul documents: `${name.full}`, `${name.prefix}`, `${name.suffix}`, `${match(N)}`
//! (a group of the regular expression, empty when there is none) and `${agent.segment}` (empty here); literals may stand in
//! the place of a name; `$${` is a `${` as it is. Anything else is refused when the query is written, in Consul's words where
//! Consul refuses it too. Filling in cannot fail.

use lictor_types::PreparedQuery;
use lictor_types::prepared_query::{NAME_PREFIX_MATCH, ServiceQuery};
use regex::{Captures, Regex, RegexBuilder};
use std::fmt;

/// Bytes a compiled regular expression may take.
const REGEXP_BYTES_MAX: usize = 1024 * 1024;
/// Parts to fill in that one query may have, so that a long name cannot make an answer of any size.
const PARTS_MAX: usize = 1024;

/// A template, checked and taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    regexp: Option<Regex>,
    /// The strings of the query in the order of [`each_text`].
    texts: Vec<Vec<Part>>,
}

/// A piece of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Full,
    Prefix,
    Suffix,
    Match(usize),
    /// Always empty.
    Nothing,
}

/// Which string of a query: said as Consul says it.
#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    Service,
    Datacenter(usize),
    CheckId(usize),
    Near,
    Tag(usize),
    NodeMeta(&'a str),
    ServiceMeta(&'a str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => write!(f, "Service.Service"),
            Self::Datacenter(at) => write!(f, "Service.Failover.Datacenters[{at}]"),
            Self::CheckId(at) => write!(f, "Service.IgnoreCheckIDs[{at}]"),
            Self::Near => write!(f, "Service.Near"),
            Self::Tag(at) => write!(f, "Service.Tags[{at}]"),
            Self::NodeMeta(key) => write!(f, "Service.NodeMeta[{key}]"),
            Self::ServiceMeta(key) => write!(f, "Service.ServiceMeta[{key}]"),
        }
    }
}

impl Template {
    /// Checks a query that is a template. Errors are sentences for the user.
    pub(crate) fn compile(query: &PreparedQuery) -> Result<Self, String> {
        if query.template.kind != NAME_PREFIX_MATCH {
            return Err(format!("Bad Template.Type '{}'", query.template.kind));
        }
        let mut texts = Vec::new();
        let mut parts = 0;
        each_text(&mut query.service.clone(), &mut |place, text| {
            let read = parse(text).map_err(|fault| fault.told(text, place))?;
            parts += read.len();
            texts.push(read);
            Ok(text.to_owned())
        })?;
        if parts > PARTS_MAX {
            return Err(format!("more than {PARTS_MAX} parts to fill in"));
        }
        let regexp = match query.template.regexp.as_str() {
            "" => None,
            text => Some(compile_regexp(text)?),
        };
        Ok(Self { regexp, texts })
    }

    /// The query for a name.
    pub(crate) fn render(&self, query: &PreparedQuery, name: &str) -> PreparedQuery {
        let captures = self.regexp.as_ref().and_then(|regexp| regexp.captures(name));
        let mut filled = query.clone();
        let mut texts = self.texts.iter();
        let rendered = each_text(&mut filled.service, &mut |_, text| {
            Ok(texts.next().map_or_else(|| text.to_owned(), |parts| fill(parts, &query.name, name, captures.as_ref())))
        });
        debug_assert!(rendered.is_ok(), "filling in cannot fail");
        if query.template.remove_empty_tags {
            // An empty list, also when none was given: so Consul tells that it looked.
            filled.service.tags.get_or_insert_default().retain(|tag| !tag.is_empty());
        }
        filled
    }
}

fn fill(parts: &[Part], prefix: &str, name: &str, captures: Option<&Captures<'_>>) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(match part {
            Part::Literal(literal) => literal,
            Part::Full => name,
            Part::Prefix => prefix,
            Part::Suffix => name.strip_prefix(prefix).unwrap_or(name),
            Part::Match(group) => captures.and_then(|captures| captures.get(*group)).map_or("", |found| found.as_str()),
            Part::Nothing => "",
        });
    }
    text
}

fn compile_regexp(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(REGEXP_BYTES_MAX).dfa_size_limit(REGEXP_BYTES_MAX).build();
    built.map_err(|error| {
        // The library draws the place in several lines; the last one says what it is.
        let told = error.to_string();
        let last = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("Bad Regexp: error parsing regexp: {last}: `{text}`")
    })
}

/// Puts each string of a query through `change`, always in the same order.
fn each_text(
    service: &mut ServiceQuery,
    change: &mut dyn FnMut(Place<'_>, &str) -> Result<String, String>,
) -> Result<(), String> {
    service.service = change(Place::Service, &service.service)?.into();
    for (at, datacenter) in service.failover.datacenters.iter_mut().flatten().enumerate() {
        *datacenter = change(Place::Datacenter(at), datacenter)?;
    }
    for (at, id) in service.ignore_check_ids.iter_mut().flatten().enumerate() {
        *id = change(Place::CheckId(at), id)?.into();
    }
    service.near = change(Place::Near, &service.near)?;
    for (at, tag) in service.tags.iter_mut().flatten().enumerate() {
        *tag = change(Place::Tag(at), tag)?;
    }
    for (key, value) in service.node_meta.iter_mut().flatten() {
        *value = change(Place::NodeMeta(key), value)?;
    }
    for (key, value) in service.service_meta.iter_mut().flatten() {
        *value = change(Place::ServiceMeta(key), value)?;
    }
    Ok(())
}

/// What is wrong with a string.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// It cannot be read.
    Format(String),
    /// It names something that is not there: where (line and column, from 1), and what.
    Evaluation(usize, usize, String),
}

impl Fault {
    fn told(&self, text: &str, place: Place<'_>) -> String {
        match self {
            Self::Format(what) => format!("Bad format '{text}' in {place}: parse error: {what}"),
            Self::Evaluation(line, column, what) => format!("Bad evaluation for '{text}' in {place}: {line}:{column}: {what}"),
        }
    }
}

/// Takes a string apart.
fn parse(text: &str) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut meaningless = None;
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(after) = from.strip_prefix("$${") {
            literal.push_str("${");
            rest = after;
        } else if let Some(after) = from.strip_prefix("${") {
            push_literal(&mut parts, &mut literal);
            let mut reader = Reader { text, rest: after };
            match reader.interpolation() {
                Ok(part) => parts.push(part),
                Err(fault @ Fault::Format(_)) => return Err(fault),
                // Told only when all can be read.
                Err(fault) => meaningless = meaningless.or(Some(fault)),
            }
            rest = reader.rest;
        } else {
            // Two go together, so that of three before a brace the last one begins what is filled in.
            let dollars = if from.starts_with("$$") { "$$" } else { "$" };
            literal.push_str(dollars);
            rest = from.get(dollars.len()..).unwrap_or_default();
        }
    }
    literal.push_str(rest);
    push_literal(&mut parts, &mut literal);
    meaningless.map_or(Ok(parts), Err)
}

/// A dollar at the end of a literal is lost, as in Consul.
fn push_literal(parts: &mut Vec<Part>, literal: &mut String) {
    if literal.ends_with('$') {
        literal.pop();
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

/// Reads what is between `${` and `}`.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn interpolation(&mut self) -> Result<Part, Fault> {
        let part = self.value();
        if let Err(Fault::Format(_)) = part {
            return part;
        }
        self.skip_blanks();
        if self.take('}') { part } else { Err(self.unexpected()) }
    }

    fn value(&mut self) -> Result<Part, Fault> {
        self.skip_blanks();
        let start = self.rest;
        match start.chars().next() {
            Some('"') => self.quoted(),
            Some('0'..='9') => Ok(Part::Literal(self.number()?.to_string())),
            Some('a'..='z' | 'A'..='Z' | '_') => {
                let name = self.word();
                self.skip_blanks();
                if self.take('(') { self.call(start, name) } else { self.variable(start, name) }
            }
            _ => Err(self.unexpected()),
        }
    }

    fn call(&mut self, start: &str, name: &str) -> Result<Part, Fault> {
        let mut group = None;
        let mut no_number = None;
        let mut count = 0;
        self.skip_blanks();
        while !self.take(')') {
            if count > 0 && !self.take(',') {
                return Err(self.unexpected());
            }
            self.skip_blanks();
            let start_of_argument = self.rest;
            let negative = self.take('-');
            match self.argument()? {
                // There is no group before the first.
                Some(number) => group = usize::try_from(number).ok().filter(|number| !negative || *number == 0),
                None => no_number = Some(self.evaluation(start_of_argument, "match: expected a number".to_owned())),
            }
            count += 1;
            self.skip_blanks();
        }
        if name != "match" {
            return Err(self.evaluation(start, format!("unknown function called: {name}")));
        }
        if count != 1 {
            return Err(self.evaluation(start, format!("match: expected 1 arguments, got {count}")));
        }
        match no_number {
            Some(fault) => Err(fault),
            None => Ok(group.map_or(Part::Nothing, Part::Match)),
        }
    }

    /// What may stand in the parentheses of a call; `None` for what is no number. Not a call itself: depth would be the
    /// caller's to choose.
    fn argument(&mut self) -> Result<Option<i64>, Fault> {
        match self.rest.chars().next() {
            Some('"') => self.quoted().map(|_| None),
            Some('a'..='z' | 'A'..='Z' | '_') => {
                self.word();
                self.skip_blanks();
                if self.rest.starts_with('(') {
                    Err(syntax_error(": calls within calls are not part of templates in Lictor"))
                } else {
                    Ok(None)
                }
            }
            _ => self.number().map(Some),
        }
    }

    fn variable(&self, start: &str, name: &str) -> Result<Part, Fault> {
        match name {
            "name.full" => Ok(Part::Full),
            "name.prefix" => Ok(Part::Prefix),
            "name.suffix" => Ok(Part::Suffix),
            // Network segments are not part of Lictor, nor of the open Consul.
            "agent.segment" => Ok(Part::Nothing),
            _ => Err(self.evaluation(start, format!("unknown variable accessed: {name}"))),
        }
    }

    fn quoted(&mut self) -> Result<Part, Fault> {
        let inner = self.rest.get(1..).unwrap_or_default();
        let end = inner.find('"').ok_or_else(|| syntax_error(""))?;
        let text = inner.get(..end).unwrap_or_default();
        if text.contains('\\') || text.contains("${") {
            return Err(syntax_error(": only plain text may stand in quotes"));
        }
        self.rest = inner.get(end + 1..).unwrap_or_default();
        Ok(Part::Literal(text.to_owned()))
    }

    fn number(&mut self) -> Result<i64, Fault> {
        let digits = self.split(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(self.unexpected());
        }
        digits.parse().map_err(|_| syntax_error(""))
    }

    fn word(&mut self) -> &'a str {
        self.split(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '*'))
    }

    /// What of the beginning is made of such characters.
    fn split(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (found, rest) = self.rest.split_at(end);
        self.rest = rest;
        found
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn unexpected(&self) -> Fault {
        match self.rest.chars().next() {
            Some('+' | '-' | '*' | '/' | '%' | '?' | '[' | '(' | '!' | '=' | '<' | '>' | '&' | '|') => {
                syntax_error(": operators are not part of templates in Lictor")
            }
            _ => syntax_error(""),
        }
    }

    fn evaluation(&self, start: &str, what: String) -> Fault {
        let before = self.text.len().saturating_sub(start.len());
        let before = self.text.get(..before).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Fault::Evaluation(line, column, what)
    }
}

fn syntax_error(why: &str) -> Fault {
    Fault::Format(format!("syntax error{why}"))
}

#[cfg(test)]
mod tests;
