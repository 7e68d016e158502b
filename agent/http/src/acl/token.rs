//! Tokens.

use super::shape::Token;
use super::{ask, bad_request, body_of, change, internal, missing, named as tail, reply_of, undecoded, with_meta};
use crate::decode::acl as decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::Reply;
use lictor_types::Query;
use lictor_types::acl::{AclDone, AclQuery, AclReply, AclRequest, AclTokenFilter, TokenGiven};

const KIND: &str = "Token";

pub(super) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    let text = |name: &str| call.params.get(name).to_owned();
    let filter = AclTokenFilter { policy: text("policy"), role: text("role"), auth_method: text("authmethod") };
    let answer = ask(call, AclQuery::Tokens(filter)).await?;
    let AclReply::Tokens(rows) = reply_of(&answer)? else { return Err(internal()) };
    let shown: Vec<Token<'_>> = rows.iter().map(|row| Token::listed(row)).collect();
    Ok(with_meta(&answer, call.style.json(&shown)))
}

pub(super) async fn get(call: &Call<'_>) -> Result<Reply, HttpError> {
    let accessor = tail(call, "token ID")?.to_owned();
    let answer = ask(call, AclQuery::Token(accessor)).await?;
    let AclReply::Tokens(rows) = reply_of(&answer)? else { return Err(internal()) };
    Ok(match rows.first() {
        Some(token) => with_meta(&answer, call.style.json(&Token::of(token))),
        None => missing(&answer),
    })
}

/// The token that is shown.
pub(super) async fn own(call: &Call<'_>) -> Result<Reply, HttpError> {
    let mut options = call.read_options()?;
    // To ask for it nothing is needed but it, and that there is none is no reason to refuse the question.
    let token = std::mem::take(&mut options.query.token);
    let query = Query::Acl(Box::new(AclQuery::Own(token)));
    let answer = call.query(&query, &options).await.map_err(|error| HttpError::from(error).with_meta())?;
    let AclReply::Tokens(rows) = reply_of(&answer)? else { return Err(internal()) };
    Ok(match rows.first() {
        Some(token) => with_meta(&answer, call.style.json(&Token::of(token))),
        None => missing(&answer),
    })
}

pub(super) async fn create(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let given = read(call).await?;
    write(call, AclRequest::SetToken { token: Box::new(given), create: true }).await
}

/// Changes one, or with `/clone` behind its id makes another like it.
pub(super) async fn put(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let accessor_id = tail(call, "token ID")?.to_owned();
    if let Some(accessor) = accessor_id.strip_suffix("/clone") {
        let given = read(call).await?;
        if !given.accessor_id.is_empty() && given.accessor_id != accessor {
            return Err(bad_request("Token Accessor ID in URL and payload do not match"));
        }
        let (accessor_id, description) = (accessor.to_owned(), given.description);
        return write(call, AclRequest::CloneToken { accessor_id, description }).await;
    }
    let given = read(call).await?;
    if !given.accessor_id.is_empty() && given.accessor_id != accessor_id {
        return Err(bad_request("Token Accessor ID in URL and payload do not match"));
    }
    let token = Box::new(TokenGiven { accessor_id, ..given });
    write(call, AclRequest::SetToken { token, create: false }).await
}

pub(super) async fn delete(call: &Call<'_>) -> Result<Reply, HttpError> {
    let accessor = tail(call, "token ID")?.to_owned();
    change(call, AclRequest::DeleteToken(accessor)).await?;
    Ok(call.style.json(&true))
}

async fn read(call: &mut Call<'_>) -> Result<TokenGiven, HttpError> {
    let body = body_of(call, KIND).await?;
    decode::token(body).map_err(|error| undecoded(KIND, &error))
}

async fn write(call: &Call<'_>, request: AclRequest) -> Result<Reply, HttpError> {
    match change(call, request).await? {
        AclDone::Token(token) => Ok(call.style.json(&Token::of(&token))),
        _ => Err(internal()),
    }
}
