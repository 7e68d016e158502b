//! Access control: policies, roles, tokens, and how callers of other systems get one (auth methods and binding rules).

mod ask;
mod change;
mod method;
mod policy;
mod role;
mod token;

pub use ask::{AclIdentity, AclQuery, AclReplication, AclReply, AclTokenFilter, Judgement};
pub use change::{AclCommand, AclDone, AclRequest, Bootstrap, LegacyVerb, TokenGiven};
pub use method::{AclAuthMethod, AclBindingRule, BindType};
pub use policy::AclPolicy;
pub use role::AclRole;
pub use token::{AclLink, AclToken, LegacyToken, NodeIdentity, ServiceIdentity};

/// Id of the policy that allows everything.
pub const GLOBAL_MANAGEMENT: &str = "00000000-0000-0000-0000-000000000001";
/// Accessor id of the token of those who show none.
pub const ANONYMOUS_ACCESSOR: &str = "00000000-0000-0000-0000-000000000002";
/// Secret of that token.
pub const ANONYMOUS_SECRET: &str = "anonymous";
/// Ids that begin like this are for what is built in.
pub const RESERVED_PREFIX: &str = "00000000-0000-0000-0000-0000000000";
/// Longest rules of a policy, in bytes.
pub const RULES_BYTES_MAX: usize = 256 * 1024;
/// Longest name of a policy or role.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest name of a service or node identity.
pub const IDENTITY_BYTES_MAX: usize = 256;
/// Most links and identities of one token or role.
pub const LINKS_MAX: usize = 512;
/// What is shown in the place of a secret.
pub const HIDDEN_SECRET: &str = "<hidden>";

/// Whether a name of a policy, role or auth method is one.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether a service or node identity can have this name: lower case, with letters or digits at its ends.
pub fn is_identity_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= IDENTITY_BYTES_MAX
        && bytes.first().is_some_and(|b| plain(*b))
        && bytes.last().is_some_and(|b| plain(*b))
        && bytes.iter().all(|b| plain(*b) || *b == b'-' || *b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_name("a-B_9") && is_name(&"x".repeat(128)));
        assert!(!is_name("") && !is_name("a b") && !is_name(&"x".repeat(129)));
        assert!(is_identity_name("web-1_x") && is_identity_name("0"));
        for bad in ["", "Web", "-a", "a-", "_a", "a b"] {
            assert!(!is_identity_name(bad), "{bad}");
        }
    }

    #[test]
    fn no_secret_is_ever_printed() {
        let token = AclToken { secret_id: crate::Token::new("s3cret"), ..AclToken::default() };
        let asked = AclQuery::Own(crate::Token::new("s3cret"));
        let given = TokenGiven { secret_id: crate::Token::new("s3cret"), ..TokenGiven::default() };
        for text in [format!("{token:?}"), format!("{asked:?}"), format!("{given:?}")] {
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}
