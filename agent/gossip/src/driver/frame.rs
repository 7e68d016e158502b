//! Frames of a stream: a length of four bytes, big-endian, then so many bytes of an envelope.
//!
//! What is inside the envelope begins with a byte that tells whom it is for: the engine, or the keyring.

use std::io;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest envelope, in bytes.
pub(crate) const FRAME_BYTES_MAX: usize = 16 << 20;
/// Bytes of the length.
pub(crate) const HEADER_BYTES: usize = 4;
/// Room made for a frame before its bytes came: a claim alone must not cost memory.
const ROOM_BYTES: usize = 64 << 10;

/// Whom a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Engine,
    Keyring,
}

impl Subject {
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Engine => 1,
            Self::Keyring => 2,
        }
    }

    /// Splits an opened envelope.
    pub(crate) fn split(content: &[u8]) -> Result<(Self, &[u8]), FrameError> {
        match content.split_first() {
            Some((1, rest)) => Ok((Self::Engine, rest)),
            Some((2, rest)) => Ok((Self::Keyring, rest)),
            _ => Err(FrameError::Subject),
        }
    }
}

/// A frame that cannot be read or written. The other side's fault, or the network's; the stream is closed.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    #[error("a frame of {0} bytes is longer than {FRAME_BYTES_MAX}")]
    TooLong(usize),
    #[error("it is for a part that this version does not have")]
    Subject,
    #[error("the stream ended within a frame")]
    Short,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the length of the next frame.
pub(crate) async fn read_length(stream: &mut (impl AsyncRead + Unpin)) -> Result<usize, FrameError> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await?;
    let length = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX { Err(FrameError::TooLong(length)) } else { Ok(length) }
}

/// Reads the envelope of a frame of that length. Room is made as the bytes come.
pub(crate) async fn read_body(stream: &mut (impl AsyncRead + Unpin), length: usize) -> Result<Vec<u8>, FrameError> {
    let mut envelope = Vec::with_capacity(length.min(ROOM_BYTES));
    let got = stream.take(length as u64).read_to_end(&mut envelope).await?;
    if got < length { Err(FrameError::Short) } else { Ok(envelope) }
}

/// Begins a frame: room for its length, to be filled by [`finish`].
pub(crate) fn begin(content_bytes: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + super::envelope::OVERHEAD + content_bytes);
    frame.extend_from_slice(&[0; HEADER_BYTES]);
    frame
}

/// The envelope of a frame.
pub(crate) fn envelope(frame: &[u8]) -> &[u8] {
    frame.get(HEADER_BYTES..).unwrap_or_default()
}

/// Fills in the length.
pub(crate) fn finish(frame: &mut [u8]) -> Result<(), FrameError> {
    let length = frame.len().saturating_sub(HEADER_BYTES);
    let length = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX).ok_or(FrameError::TooLong(length))?;
    let header = frame.first_chunk_mut().ok_or(FrameError::Short)?;
    *header = length.to_be_bytes();
    Ok(())
}

/// Writes a finished frame.
pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Result<(), FrameError> {
    stream.write_all(frame).await?;
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncRead;

    async fn read(mut stream: impl AsyncRead + Unpin) -> Result<Vec<u8>, FrameError> {
        let length = read_length(&mut stream).await?;
        read_body(&mut stream, length).await
    }

    fn frame(envelope: &[u8]) -> Vec<u8> {
        let mut frame = begin(envelope.len());
        frame.extend_from_slice(envelope);
        finish(&mut frame).unwrap();
        frame
    }

    fn at_once<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn the_bytes_stay_as_they_are() {
        assert_eq!(frame(b"abc"), b"\0\0\0\x03abc");
        assert_eq!((Subject::Engine.byte(), Subject::Keyring.byte()), (1, 2));
    }

    #[tokio::test]
    async fn a_claim_beyond_the_limit_is_refused_unread() {
        let header = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_be_bytes();
        assert!(matches!(read(&header[..]).await, Err(FrameError::TooLong(_))));
        let mut long = vec![0; HEADER_BYTES + FRAME_BYTES_MAX + 1];
        assert!(matches!(finish(&mut long), Err(FrameError::TooLong(_))));
    }

    #[tokio::test]
    async fn a_stream_that_ends_too_soon_is_told() {
        assert!(matches!(read(&b"\0\0"[..]).await, Err(FrameError::Io(_))));
        assert!(matches!(read(&b"\0\0\0\x03ab"[..]).await, Err(FrameError::Short)));
    }

    proptest! {
        #[test]
        fn frames_are_read_as_they_were_written(envelope in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(at_once(read(&frame(&envelope)[..])).unwrap(), envelope);
        }
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(envelope) = at_once(read(&bytes[..])) {
                prop_assert_eq!(&bytes[HEADER_BYTES..HEADER_BYTES + envelope.len()], &envelope[..]);
            }
            let _ = Subject::split(&bytes);
        }
    }
}
