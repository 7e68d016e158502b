//! Small answers go to the kernel in one piece.
//!
//! Head and body of an answer are two buffers. To write both at once (writev(2)) costs the kernel more than to write one (send(2)):
//! it takes in the list, looks at each buffer, and goes the way of files. Up to some length it is cheaper to put them together first.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Up to so many bytes are put together, on the stack.
const GATHERED_BYTES_MAX: usize = 1024;

/// A stream that gathers small buffers which are written at once.
pub(crate) struct Gathering<S>(pub(crate) S);

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.0);
        let mut gathered = [0; GATHERED_BYTES_MAX];
        match gather(slices, &mut gathered) {
            Some(bytes) => stream.poll_write(context, bytes),
            None => stream.poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// All slices together in `room`; `None` when they do not fit.
fn gather<'a>(slices: &[IoSlice<'_>], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut end = 0;
    for slice in slices {
        let begin = end;
        end += slice.len();
        room.get_mut(begin..end)?.copy_from_slice(slice);
    }
    room.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn what_fits_is_put_together() {
        let slices = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
        assert_eq!(gather(&slices, &mut [0; 8]), Some(&b"headbody"[..]));
        assert_eq!(gather(&slices, &mut [0; 7]), None);
        assert_eq!(gather(&[], &mut [0; 1]), Some(&b""[..]));
    }

    #[tokio::test]
    async fn small_and_large_arrive_whole() {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let mut near = Gathering(near);
        let large = vec![b'l'; GATHERED_BYTES_MAX];
        let mut told = Vec::new();
        for body in [&b"small"[..], &large] {
            let mut bytes = bytes::Buf::chain(&b"head"[..], body);
            while bytes::Buf::has_remaining(&bytes) {
                near.write_buf(&mut bytes).await.unwrap();
            }
            told.extend_from_slice(b"head");
            told.extend_from_slice(body);
        }
        drop(near);
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, told);
    }
}
