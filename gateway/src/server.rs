//! Connections: how many there may be, how slow they may be, and how they end.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
	rt::{TokioIo, TokioTimer},
	service::TowerToHyperService,
};
use std::{
	collections::HashMap,
	future::Future,
	io,
	net::IpAddr,
	pin::{pin, Pin},
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	task::{Context, Poll},
	time::Duration,
};
use tokio::{
	io::{AsyncRead, AsyncWrite, ReadBuf},
	net::{TcpListener, TcpStream},
	sync::watch,
	task::JoinSet,
	time::Sleep,
};

/// Largest head of a request, in bytes, and most of a body that waits to be read.
const BUFFER: usize = 64 * 1024;

/// How long to wait when the operating system gives no connection: most often because there are no
/// file descriptors left, until some are closed.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What clients may take.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
	/// How many connections there may be.
	pub(crate) connections: usize,
	/// How many of them one client address may have.
	pub(crate) connections_per_address: usize,
	/// How long the head of a request may take.
	pub(crate) header_timeout: Duration,
	/// How long a client may take no byte of an answer.
	pub(crate) write_timeout: Duration,
	/// How long connections may go on after the end.
	pub(crate) drain_timeout: Duration,
}

/// Serves until `shutdown` resolves and the connections have ended, or were cut.
pub(crate) async fn serve(
	listener: TcpListener,
	router: Router,
	limits: Limits,
	shutdown: impl Future<Output = ()>,
) {
	let (stop, stopped) = watch::channel(());
	let mut connections = JoinSet::new();
	let (seats, mut warned) = (Seats::default(), false);
	let mut shutdown = pin!(shutdown);
	loop {
		tokio::select! {
			() = &mut shutdown => break,
			Some(ended) = connections.join_next() => note(ended),
			// Above the limit, clients wait in the listener's queue.
			(stream, address) = accept(&listener), if connections.len() < limits.connections => {
				match seats.take(address, limits.connections_per_address) {
					Some(seat) => {
						let (router, stopped) = (router.clone(), stopped.clone());
						connections.spawn(connection(stream, seat, router, limits, stopped));
					},
					// The stream is dropped, and so closed.
					None => refuse(address, &mut warned),
				}
			},
		}
	}
	drop((listener, stop));
	let drained = async {
		while let Some(ended) = connections.join_next().await {
			note(ended);
		}
	};
	if tokio::time::timeout(limits.drain_timeout, drained).await.is_err() {
		tracing::warn!(connections = connections.len(), "connections are cut");
		connections.shutdown().await;
	}
}

fn note(ended: Result<(), tokio::task::JoinError>) {
	if let Err(error) = ended {
		tracing::error!(%error, "a connection failed");
	}
}

/// Logs that an address has too many connections: loudly only once, since it can go on all the time.
fn refuse(address: IpAddr, warned: &mut bool) {
	if *warned {
		tracing::debug!(%address, "a connection above the limit of its address is closed");
	} else {
		*warned = true;
		tracing::warn!(
			%address,
			"a connection above the limit of its address is closed, as others will be; if that is a \
			 reverse proxy, raise max_connections_per_address"
		);
	}
}

/// How many connections each client address has; none with 0.
#[derive(Clone, Default)]
struct Seats(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Seats {
	fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
		// Nothing panics while the lock is held.
		self.0.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Counts one more connection of `address` until the seat is dropped, unless there are `limit`.
	fn take(&self, address: IpAddr, limit: usize) -> Option<Seat> {
		let mut counts = self.counts();
		let taken = counts.get(&address).copied().unwrap_or(0);
		if taken >= limit {
			return None;
		}
		counts.insert(address, taken.saturating_add(1));
		drop(counts);
		Some(Seat { seats: self.clone(), address })
	}
}

/// A connection that counts.
struct Seat {
	seats: Seats,
	address: IpAddr,
}

impl Drop for Seat {
	fn drop(&mut self) {
		let mut counts = self.seats.counts();
		match counts.get_mut(&self.address) {
			Some(taken) if *taken > 1 => *taken -= 1,
			// The map is no larger than the connections are many.
			_ => {
				counts.remove(&self.address);
			},
		}
	}
}

/// The next connection, and the address of its client.
async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
	loop {
		match listener.accept().await {
			// An IPv4 address is one and the same, also when it is written as an IPv6 one.
			Ok((stream, peer)) => return (stream, peer.ip().to_canonical()),
			// The client has gone away by itself.
			Err(error)
				if matches!(
					error.kind(),
					io::ErrorKind::ConnectionAborted
						| io::ErrorKind::ConnectionRefused
						| io::ErrorKind::ConnectionReset
				) => {},
			Err(error) => {
				tracing::error!(%error, "no connection can be accepted");
				tokio::time::sleep(ACCEPT_PAUSE).await;
			},
		}
	}
}

/// One connection, until it ends or `stopped` closes and its last answer was sent. Its seat is free
/// then, however it has ended.
async fn connection(
	stream: TcpStream,
	_seat: Seat,
	router: Router,
	limits: Limits,
	mut stopped: watch::Receiver<()>,
) {
	// Answers are small and written at once: waiting for more only delays them.
	if let Err(error) = stream.set_nodelay(true) {
		tracing::debug!(%error, "TCP_NODELAY could not be set");
	}
	let io = TokioIo::new(Impatient::new(stream, limits.write_timeout));
	let connection = http1::Builder::new()
		.timer(TokioTimer::new())
		.header_read_timeout(limits.header_timeout)
		.max_buf_size(BUFFER)
		.serve_connection(io, TowerToHyperService::new(router));
	let mut connection = pin!(connection);
	let outcome = tokio::select! {
		outcome = connection.as_mut() => outcome,
		// Nothing is ever sent: this resolves when the sender is gone.
		_ = stopped.changed() => {
			connection.as_mut().graceful_shutdown();
			connection.await
		},
	};
	if let Err(error) = outcome {
		tracing::debug!(%error, "a connection broke");
	}
}

/// A stream whose writes fail once the other side has taken nothing for too long.
struct Impatient<S> {
	stream: S,
	patience: Duration,
	/// Set while a write waits.
	stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
	fn new(stream: S, patience: Duration) -> Self {
		Self { stream, patience, stalled: None }
	}

	fn judge<T>(
		&mut self,
		context: &mut Context<'_>,
		written: Poll<io::Result<T>>,
	) -> Poll<io::Result<T>> {
		if written.is_ready() {
			self.stalled = None;
			return written;
		}
		let patience = self.patience;
		let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
		stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
	}
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
	fn poll_read(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		buffer: &mut ReadBuf<'_>,
	) -> Poll<io::Result<()>> {
		Pin::new(&mut self.stream).poll_read(context, buffer)
	}
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
	fn poll_write(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		bytes: &[u8],
	) -> Poll<io::Result<usize>> {
		let written = Pin::new(&mut self.stream).poll_write(context, bytes);
		self.judge(context, written)
	}

	fn poll_write_vectored(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		slices: &[io::IoSlice<'_>],
	) -> Poll<io::Result<usize>> {
		let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
		self.judge(context, written)
	}

	fn is_write_vectored(&self) -> bool {
		self.stream.is_write_vectored()
	}

	fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		let flushed = Pin::new(&mut self.stream).poll_flush(context);
		self.judge(context, flushed)
	}

	fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		let ended = Pin::new(&mut self.stream).poll_shutdown(context);
		self.judge(context, ended)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use tokio::io::{AsyncReadExt, AsyncWriteExt};

	#[test]
	fn addresses_should_have_as_many_seats_as_the_limit_and_none_kept() {
		let seats = Seats::default();
		let [one, other] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
		let first = seats.take(one, 2).unwrap();
		let second = seats.take(one, 2).unwrap();
		assert!(seats.take(one, 2).is_none());
		let elsewhere = seats.take(other, 2).unwrap();
		drop(first);
		assert_eq!(*seats.counts(), HashMap::from([(one, 1), (other, 1)]));
		let third = seats.take(one, 2).unwrap();
		drop((second, third, elsewhere));
		assert!(seats.counts().is_empty());
	}

	#[tokio::test]
	async fn writes_should_fail_when_nothing_is_taken_for_too_long() {
		let (ours, mut theirs) = tokio::io::duplex(4);
		let mut stream = Impatient::new(ours, Duration::from_millis(50));
		stream.write_all(b"1234").await.unwrap();
		let error = stream.write_all(b"5").await.unwrap_err();
		assert_eq!(error.kind(), io::ErrorKind::TimedOut);
		// Slow is not stalled.
		let mut buffer = [0; 4];
		theirs.read_exact(&mut buffer).await.unwrap();
		let reader = tokio::spawn(async move {
			let mut all = Vec::new();
			while all.len() < 16 {
				tokio::time::sleep(Duration::from_millis(20)).await;
				all.push(theirs.read_u8().await.unwrap());
			}
			all
		});
		stream.write_all(&[7; 16]).await.unwrap();
		assert_eq!(reader.await.unwrap(), [7; 16]);
	}
}
