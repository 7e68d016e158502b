//! What tonic wants of its ends: a handler as a service, and a task starter that counts.

use lictor_net::Shutdown;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::{Request, Response, Status};
use tower_service::Service;

/// A reply under way.
pub(crate) type Replying<A> = Pin<Box<dyn Future<Output = Result<A, Status>> + Send>>;

/// A closure as the service of one method.
pub(crate) struct Method<Q, A>(pub(crate) Box<dyn Fn(Q) -> Replying<A> + Send>);

impl<Q, A: 'static> Service<Request<Q>> for Method<Q, A> {
    type Response = Response<A>;
    type Error = Status;
    type Future = Replying<Response<A>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let answering = (self.0)(request.into_inner());
        Box::pin(async move { answering.await.map(Response::new) })
    }
}

/// Starts the tasks of a connection so that they are counted, and awaited at the agent's end.
#[derive(Clone, Debug)]
pub(crate) struct Counted(pub(crate) Shutdown);

impl<F> hyper::rt::Executor<F> for Counted
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
