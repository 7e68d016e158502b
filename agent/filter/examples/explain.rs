#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]
fn main() {
    for line in std::io::stdin().lines() {
        let text: String = serde_json::from_str(&line.unwrap()).unwrap();
        let answer = match lictor_filter::Filter::parse(&text, lictor_filter::Schema::Node) {
            Ok(filter) => format!(
                "ok {}",
                filter.matches(&lictor_types::Node {
                    node: "n1".into(),
                    meta: Some([("env".to_owned(), "prod".to_owned())].into()),
                    ..Default::default()
                })
            ),
            Err(error) => error.evaluator_message(),
        };
        println!("{}", serde_json::to_string(&answer).unwrap());
    }
}
