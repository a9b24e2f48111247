//! One paid call, from its first payment to its answer.

use super::{
	missing, now, offer, problem, short, text_headers, unpaid, HttpError, PaidClient, PaidResponse,
	Prepared, Reply, TOP_UP_SEEN,
};
use crate::{
	allowance::Allowance,
	chain::{At, Phase},
	payer::Payment,
	payment::{
		request_hash, response_hash, Challenge, ChannelProof, Credential, PaymentReceipt,
		PaymentRequest, Problem, ProblemType, RECEIPT_HEADER,
	},
};
use reqwest::{header::HeaderValue, StatusCode};

/// A call that is paid for. What is stale about it is put right at most once each.
pub(super) struct PaidCall<'a> {
	client: &'a PaidClient,
	request: &'a Prepared,
	challenge: Challenge,
	terms: PaymentRequest,
	payment: Payment,
	/// Shown once the payee says that the payment is no good, so that it tells the payer why.
	proof: Option<ChannelProof>,
	/// The challenge was replaced.
	renewed: bool,
	/// The payment was replaced, by what the payee has shown.
	corrected: bool,
	/// The payee was given the time to see a top-up.
	waited: bool,
}

/// What follows from a problem.
enum Next<'a> {
	/// Send it again.
	Again(PaidCall<'a>),
	/// The caller is to have this.
	Done(PaidResponse),
}

impl<'a> PaidCall<'a> {
	pub(super) fn new(
		client: &'a PaidClient,
		request: &'a Prepared,
		challenge: Challenge,
		terms: PaymentRequest,
		payment: Payment,
	) -> Self {
		let (renewed, corrected, waited) = (false, false, false);
		let proof = None;
		Self { client, request, challenge, terms, payment, proof, renewed, corrected, waited }
	}

	/// Sends the payment until there is an answer, or nothing left to put right.
	pub(super) async fn run(mut self) -> Result<PaidResponse, HttpError> {
		loop {
			let credential = self.credential();
			let reply =
				self.client.exchange(self.request, Some(&credential), self.proof.as_ref()).await?;
			if let Some(header) = reply.headers.get(RECEIPT_HEADER) {
				let receipt = self.receipt(header, &reply);
				return Ok(self.answered(reply, receipt));
			}
			let Some(problem) = problem(&reply) else { return Ok(unpaid(reply)) };
			match self.put_right(reply, problem).await? {
				Next::Again(call) => self = call,
				Next::Done(response) => return Ok(response),
			}
		}
	}

	/// The payment, a tick without its commitment if the payee is known to have that.
	fn credential(&self) -> Credential {
		let (challenge, proof) = (self.challenge.clone(), *self.payment.proof());
		let known = match &proof {
			Allowance::Ticks(ticks) => {
				let shown = super::locked(&self.client.0.shown).get(&proof.lane()).copied();
				self.proof.is_none() && shown == Some(ticks.signed.commit.root)
			},
			Allowance::Voucher(_) => false,
		};
		match known {
			true => Credential::short(challenge, proof),
			false => Credential::new(challenge, proof),
		}
	}

	/// What to do about a problem.
	async fn put_right(self, reply: Reply, problem: Problem) -> Result<Next<'a>, HttpError> {
		let is = |kind| problem.is(kind);
		if is(ProblemType::InsufficientVoucher) || is(ProblemType::VoucherUsed) {
			return self.correct(problem).await;
		}
		let by_tick = matches!(self.payment.proof(), Allowance::Ticks(_));
		let tick = [
			ProblemType::CommitmentRequired,
			ProblemType::InvalidCommitment,
			ProblemType::InvalidTick,
			ProblemType::MalformedCredential,
		];
		if by_tick && tick.into_iter().any(is) {
			return self.try_otherwise(problem).await;
		}
		if is(ProblemType::InvalidChallenge) && !self.renewed {
			return self.renew(&reply, problem);
		}
		if is(ProblemType::AmountExceedsDeposit) {
			return self.await_deposit(problem).await;
		}
		if is(ProblemType::ChannelNotFound) || is(ProblemType::ChannelUnusable) {
			return Err(self.look(problem).await);
		}
		if reply.status == StatusCode::PAYMENT_REQUIRED || reply.status == StatusCode::CONFLICT {
			return Err(self.refused(problem));
		}
		Ok(Next::Done(unpaid(reply)))
	}

	/// The payment is too low or used up: goes on from what the payee shows, and asks it to show it.
	async fn correct(mut self, problem: Problem) -> Result<Next<'a>, HttpError> {
		let last = match self.corrected {
			true => None,
			false => problem.last()?,
		};
		if let Some(last) = last {
			let channel = self.payment.lane().channel;
			let payment = self.payment.correct(&last).await;
			let payment = payment.map_err(|error| short(channel, error))?;
			return Ok(Next::Again(Self { payment, corrected: true, ..self }));
		}
		let unproven = self.proof.is_none() && !self.corrected;
		if problem.is(ProblemType::InsufficientVoucher) && unproven {
			self.prove()?;
			return Ok(Next::Again(self));
		}
		Err(self.refused(problem))
	}

	/// The tick is not taken: sends it with its commitment and asks why not, then pays by voucher, now and
	/// from then on.
	async fn try_otherwise(mut self, problem: Problem) -> Result<Next<'a>, HttpError> {
		let whole =
			problem.is(ProblemType::CommitmentRequired) || problem.is(ProblemType::InvalidTick);
		if whole && self.proof.is_none() {
			self.prove()?;
			return Ok(Next::Again(self));
		}
		let channel = self.payment.lane().channel;
		tracing::info!(reason = problem.detail, "the payee takes no tick; it is paid by voucher");
		super::locked(&self.client.0.by_voucher).insert(channel);
		let payment = self.payment.by_voucher().await?;
		Ok(Next::Again(Self { payment, ..self }))
	}

	fn prove(&mut self) -> Result<(), HttpError> {
		let channel = self.payment.lane().channel;
		self.proof = Some(self.client.0.payer.prove(&channel, now())?);
		Ok(())
	}

	/// The challenge has expired, or the gateway was started again.
	fn renew(self, reply: &Reply, problem: Problem) -> Result<Next<'a>, HttpError> {
		let (fresh, terms) = offer(reply)?;
		self.client.check(&terms)?;
		if terms.payee != self.terms.payee
			|| terms.asset != self.terms.asset
			|| terms.amount != self.terms.amount
		{
			// The price has changed: what was signed no longer fits. The next call asks anew.
			return Err(self.refused(problem));
		}
		let challenge = self.client.remember(self.request, fresh);
		Ok(Next::Again(Self { challenge, terms, renewed: true, ..self }))
	}

	/// The channel's deposit does not suffice, as the payee knows it.
	async fn await_deposit(mut self, problem: Problem) -> Result<Next<'a>, HttpError> {
		// The shortfall is computed from what was signed and what the chain says, not taken from the payee,
		// which might ask for anything.
		let channel = self.payment.lane().channel;
		let inner = &self.client.0;
		let info = inner.chain.channel(channel, At::Finalized).await?;
		inner.payer.observe(&channel, info.as_ref());
		let mut known = inner.payer.channels().into_iter();
		let shortfall = known
			.find(|known| known.id == channel)
			.map_or(0, |known| known.signed.saturating_sub(known.deposit));
		if shortfall == 0 && !self.waited {
			// Topped up a moment ago: the payee reads a channel again only after a while.
			tokio::time::sleep(TOP_UP_SEEN).await;
			self.waited = true;
			return Ok(Next::Again(self));
		}
		Err(match shortfall {
			0 => HttpError::Refused(Box::new(problem)),
			_ => HttpError::TopUpNeeded { channel, shortfall },
		})
	}

	/// The chain is asked, not believed to be as the payee says: a channel that is not open is passed over
	/// from now on, so that the caller can go on with another.
	async fn look(self, problem: Problem) -> HttpError {
		let channel = self.payment.lane().channel;
		let inner = &self.client.0;
		let info = match inner.chain.channel(channel, At::Finalized).await {
			Ok(info) => info,
			Err(error) => return error.into(),
		};
		inner.payer.observe(&channel, info.as_ref());
		match info {
			Some(info) if info.phase == Phase::Open => HttpError::Refused(Box::new(problem)),
			_ => missing(self.terms),
		}
	}

	fn refused(self, problem: Problem) -> HttpError {
		self.client.forget(self.request);
		HttpError::Refused(Box::new(problem))
	}

	/// The receipt, if it is what it must be for this exchange.
	fn receipt(&self, header: &HeaderValue, reply: &Reply) -> Option<PaymentReceipt> {
		let Self { client, request, terms, payment, .. } = self;
		let receipt = PaymentReceipt::parse(header.to_str().ok()?).ok()?;
		let payload = receipt.payload().ok()?;
		let at = payment.lane();
		let asked = request_hash(request.method.as_str(), &request.path_and_query(), &request.body);
		let fits = payload.channel == at.channel
			&& payload.lane == at.lane
			&& payload.cumulative == payment.proof().amount()
			&& payload.request == asked
			&& payload.response == response_hash(reply.status.as_u16(), &reply.body)
			&& receipt.verify(&terms.payee, client.0.payer.domain());
		if !fits {
			tracing::warn!(reference = receipt.reference, "the payee's receipt does not fit");
		}
		fits.then_some(receipt)
	}

	/// The answer. What does not prove that this call was answered does not free the next payment.
	fn answered(self, reply: Reply, receipt: Option<PaymentReceipt>) -> PaidResponse {
		let Self { client, payment, .. } = self;
		let response = PaidResponse {
			status: reply.status.as_u16(),
			headers: text_headers(&reply.headers),
			body: reply.body,
			paid: payment.price(),
			channel: Some(payment.lane().channel),
			receipt,
		};
		if response.receipt.is_some() {
			if let Allowance::Ticks(ticks) = payment.proof() {
				let root = ticks.signed.commit.root;
				super::locked(&client.0.shown).insert(payment.lane(), root);
			}
			payment.acknowledge();
		}
		response
	}
}
