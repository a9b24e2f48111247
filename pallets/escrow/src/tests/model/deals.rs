//! What agreements do, in the simplest words.

use super::*;

/// What ends a milestone: to the seller, for costs of the buyer, of the bond, and for costs of the seller.
#[derive(Default)]
struct Cut {
	to_seller: Balance,
	costs_of_buyer: Balance,
	penalty: Balance,
	costs_of_seller: Balance,
}

impl Model {
	pub(super) fn commit(&mut self, by: &AccountId, offer: &Offer, signer: &AccountId) -> Told {
		let (buyer, seller) = (offer.buyer.clone(), offer.seller.clone());
		if by != offer.recipient() {
			return is(Error::NotRecipient);
		}
		if offer.milestones.iter().map(|terms| terms.penalty).sum::<Balance>() > offer.bond {
			return is(Error::PenaltiesAboveBond);
		}
		if offer.opened > self.now {
			return is(Error::NotOpenedYet);
		}
		if offer.valid_until < self.now {
			return is(Error::OfferExpired);
		}
		if let Some(talk) = self.talks.get(&offer.key()) {
			if talk.deal.is_some() {
				return is(Error::NegotiationConcluded);
			}
			if offer.round <= talk.bars[offer.by as usize] {
				return is(Error::OfferSuperseded);
			}
		}
		if !self.is_active(&seller) || AGENTS.contains(&buyer) && !self.is_active(&buyer) {
			return Err(DispatchError::Other("inactive"));
		}
		if self.related(&buyer, &seller) {
			return is(Error::SameOperator);
		}
		for (at, arbiter) in offer.panel.arbiters.iter().enumerate() {
			if !self.is_active(arbiter) {
				return Err(DispatchError::Other("inactive"));
			}
			let mut others = offer.panel.arbiters[..at].iter().chain([&buyer, &seller]);
			if others.any(|other| self.related(arbiter, other)) {
				return is(Error::ArbiterNotIndependent);
			}
		}
		if signer != offer.signer() {
			return Err(DispatchError::BadOrigin);
		}
		let total: Balance = offer.milestones.iter().map(|terms| terms.amount).sum();
		if *self.purse(&buyer) < total {
			return is(Error::BuyerCannotPay);
		}
		*self.purse(&buyer) -= total;
		if *self.purse(&seller) < offer.bond {
			return is(Error::SellerCannotPay);
		}
		*self.purse(&seller) -= offer.bond;
		let sponsored = |deal: &&Deal| deal.depositor != *deal.offer.recipient();
		let used = self.deals.values().filter(sponsored).count();
		let depositor = self.take(by, used, MAX_SPONSORED as usize, AGREEMENT_PRICE)?;
		let id = offer.digest(&domain());
		let talk = self.talk(offer, offer.by.other())?;
		talk.deal = Some(id);
		talk.keep_until = None;

		let now = self.now;
		assert!(!self.made.contains(&id), "an agreement has come back");
		self.made.push(id);
		let steps = offer.milestones.iter().map(|terms| Progress {
			state: State::Funded { deliver_by: now + terms.deliver_within },
			released: 0,
			changes: 0,
			delivery: None,
		});
		let deal = Deal {
			offer: offer.clone(),
			started: now,
			schedule: self.schedule,
			sequence: 0,
			relied: false,
			steps: steps.collect(),
			bond: offer.bond,
			sums: Sums::default(),
			disputes: 0,
			breaches: 0,
			depositor: depositor.clone(),
		};
		self.deals.insert(id, deal);
		self.events.push(Event::Committed {
			id,
			negotiation: offer.key(),
			buyer,
			seller,
			asset: USD,
			total,
			bond: offer.bond,
			terms: offer.terms,
			by: offer.by.other(),
			round: offer.round,
			schedule: self.schedule,
			transcript: H256::zero(),
			depositor,
		});
		Ok(())
	}

	pub(super) fn withdraw(&mut self, offer: &Offer, side: Side, round: u32) -> Told {
		if round == 0 {
			return is(Error::RoundOutOfBounds);
		}
		let now = self.now;
		let talk = self.talk(offer, side)?;
		if talk.deal.is_some() {
			return is(Error::NegotiationConcluded);
		}
		if round <= talk.bars[side as usize] {
			return is(Error::NothingNew);
		}
		talk.bars[side as usize] = round;
		talk.keep_until = Some(now + MAX_VALIDITY);
		let is_first = !std::mem::replace(&mut talk.withdrawn, true);
		let by = offer.party(side).clone();
		if is_first {
			self.counted.get_mut(&by).unwrap().withdrawn += 1;
			self.market.withdrawn += 1;
		}
		self.events.push(Event::OfferWithdrawn { negotiation: offer.key(), by, side, round });
		Ok(())
	}

	pub(super) fn supersede(&mut self, by: &AccountId, offer: &Offer, signer: &AccountId) -> Told {
		let side = match by {
			by if *by == offer.buyer => Side::Buyer,
			by if *by == offer.seller => Side::Seller,
			_ => return is(Error::NotParty),
		};
		if offer.milestones.iter().map(|terms| terms.penalty).sum::<Balance>() > offer.bond {
			return is(Error::PenaltiesAboveBond);
		}
		let (now, key) = (self.now, offer.key());
		let known = self.talks.get(&key).and_then(|talk| talk.deal);
		if let Some(id) = known {
			let Some(deal) = self.deals.get(&id) else { return is(Error::NegotiationConcluded) };
			if side != deal.offer.by {
				return is(Error::NotSigner);
			}
			if offer.by == deal.offer.by || offer.round <= deal.offer.round {
				return is(Error::NotRefused);
			}
			if deal.relied || now > deal.started + 43_200 {
				return is(Error::TooLateToVoid);
			}
			if signer != offer.signer() {
				return Err(DispatchError::BadOrigin);
			}
			self.wind_up(id, 0, EndReason::Voided);
			return Ok(());
		}
		let bars = self.talks.get(&key).map_or([0; 2], |talk| talk.bars);
		if bars.iter().all(|bar| *bar >= offer.round - 1) {
			return is(Error::NothingNew);
		}
		if signer != offer.signer() {
			return Err(DispatchError::BadOrigin);
		}
		let talk = self.talk(offer, side)?;
		talk.bars = talk.bars.map(|bar| bar.max(offer.round - 1));
		talk.keep_until = Some(now + MAX_VALIDITY);
		let (by, round) = (offer.by, offer.round);
		self.events.push(Event::OffersSuperseded { negotiation: key, by, round });
		Ok(())
	}

	/// The agreement with a milestone that has not ended, of which `by` must be the side.
	fn running(
		&mut self,
		by: Option<(&AccountId, Side)>,
		id: AgreementId,
		milestone: u32,
	) -> Result<&mut Deal, DispatchError> {
		let refusal: Error<Test> = match self.deals.get_mut(&id) {
			None => Error::UnknownAgreement,
			Some(deal) => match by {
				Some((by, Side::Buyer)) if *by != deal.offer.buyer => Error::NotBuyer,
				Some((by, Side::Seller)) if *by != deal.offer.seller => Error::NotSeller,
				_ => match deal.steps.get(milestone as usize) {
					None => Error::UnknownMilestone,
					Some(step) if step.state.is_ended() => Error::MilestoneEnded,
					Some(_) => return Ok(deal),
				},
			},
		};
		Err(refusal.into())
	}

	pub(super) fn deliver(
		&mut self,
		by: &AccountId,
		id: AgreementId,
		milestone: u32,
		key: Option<[u8; 32]>,
	) -> Told {
		let (now, at) = (self.now, milestone as usize);
		let deal = self.running(Some((by, Side::Seller)), id, milestone)?;
		let terms = deal.offer.milestones[at];
		match (terms.lock, key) {
			(Some(_), None) => return is(Error::Locked),
			(None, Some(_)) => return is(Error::NotLocked),
			_ => (),
		}
		match deal.steps[at].state {
			State::Funded { deliver_by } | State::Reworking { deliver_by } => {
				if now > deliver_by {
					return is(Error::DeliveryOver);
				}
			},
			_ => return is(Error::AlreadyDelivered),
		}
		if key.is_some_and(|key| key != LOCK_KEY) {
			return is(Error::WrongKey);
		}
		let review_until = now + terms.review;
		deal.steps[at].state = State::Delivered { review_until };
		deal.steps[at].delivery = Some(key.unwrap_or([1; 32]));
		deal.touch(Some(Side::Seller));
		self.events.push(match key {
			Some(key) => Event::Revealed { id, milestone, key, review_until },
			None => Event::Delivered { id, milestone, evidence: evidence(1), review_until },
		});
		if terms.review == 0 {
			self.release_rest(id, at)?;
		}
		Ok(())
	}

	pub(super) fn accept(&mut self, by: &AccountId, id: AgreementId, milestone: u32) -> Told {
		let deal = self.running(Some((by, Side::Buyer)), id, milestone)?;
		if !matches!(deal.steps[milestone as usize].state, State::Delivered { .. }) {
			return is(Error::NotDelivered);
		}
		deal.touch(Some(Side::Buyer));
		self.release_rest(id, milestone as usize)
	}

	pub(super) fn release(
		&mut self,
		by: &AccountId,
		id: AgreementId,
		milestone: u32,
		amount: Balance,
	) -> Told {
		if amount == 0 {
			return is(Error::ZeroRelease);
		}
		let at = milestone as usize;
		let deal = self.running(Some((by, Side::Buyer)), id, milestone)?;
		let open = deal.open(at);
		if amount > open {
			return is(Error::AboveOpen);
		}
		deal.touch(Some(Side::Buyer));
		if amount == open {
			return self.release_rest(id, at);
		}
		deal.steps[at].released += amount;
		self.pay(id, amount)?;
		self.events.push(Event::PartReleased { id, milestone, amount, open: open - amount });
		Ok(())
	}

	pub(super) fn request_changes(
		&mut self,
		by: &AccountId,
		id: AgreementId,
		milestone: u32,
	) -> Told {
		let (now, at) = (self.now, milestone as usize);
		let deal = self.running(Some((by, Side::Buyer)), id, milestone)?;
		let terms = deal.offer.milestones[at];
		match deal.steps[at].state {
			State::Delivered { review_until } if now > review_until => {
				return is(Error::ReviewOver)
			},
			State::Delivered { .. } => (),
			_ => return is(Error::NotDelivered),
		}
		if deal.steps[at].changes == terms.changes {
			return is(Error::NoChangesLeft);
		}
		deal.steps[at].changes += 1;
		let (left, deliver_by) = (terms.changes - deal.steps[at].changes, now + terms.rework);
		deal.steps[at].state = State::Reworking { deliver_by };
		deal.touch(Some(Side::Buyer));
		let evidence = evidence(2);
		self.events.push(Event::ChangesRequested { id, milestone, evidence, deliver_by, left });
		Ok(())
	}

	pub(super) fn dispute(&mut self, by: &AccountId, id: AgreementId, milestone: u32) -> Told {
		let (now, at) = (self.now, milestone as usize);
		let Some(deal) = self.deals.get(&id) else { return is(Error::UnknownAgreement) };
		let side = match by {
			by if *by == deal.offer.buyer => Side::Buyer,
			by if *by == deal.offer.seller => Side::Seller,
			_ => return is(Error::NotParty),
		};
		let deal = self.running(None, id, milestone)?.clone();
		match (deal.steps[at].state, side) {
			(State::Disputed { .. }, _) => return is(Error::AlreadyDisputed),
			(State::Delivered { review_until }, Side::Buyer) if now > review_until => {
				return is(Error::ReviewOver)
			},
			(State::Delivered { .. }, Side::Buyer) => (),
			(_, Side::Buyer) => return is(Error::NotDelivered),
			(State::Reworking { deliver_by }, Side::Seller) if now > deliver_by => {
				return is(Error::DeliveryOver)
			},
			(State::Reworking { .. }, Side::Seller) => (),
			(_, Side::Seller) => return is(Error::NoChangesRequested),
		}
		let fee = deal.offer.panel.fee;
		if *self.purse(by) < fee {
			return is(Error::DisputerCannotPay);
		}
		*self.purse(by) -= fee;
		let row = self.deals.get_mut(&id).unwrap();
		row.disputes += 1;
		row.touch(Some(side));
		row.steps[at].state = State::Disputed { by: side, opened: now, answered: false };
		let turns = deal.offer.panel.arbiters.len() as u32;
		let ends = (turns > 0).then_some(now + turns * 10);
		let evidence = evidence(3);
		self.events.push(Event::Disputed { id, milestone, by: side, evidence, fee, ends });
		if ends.is_none() {
			self.fall_back(id, at)?;
		}
		Ok(())
	}

	fn fall_back(&mut self, id: AgreementId, at: usize) -> Told {
		let to_seller = part_up(self.deals[&id].open(at), 333_333);
		self.end(id, at, Ending::Resolved, Cut { to_seller, ..Cut::default() }, None)
	}

	/// The other side has answered, or a tenth of ten blocks has passed.
	pub(super) fn is_heard(&self, id: AgreementId, milestone: u32) -> bool {
		let steps = self.deals.get(&id).map(|deal| &deal.steps);
		let step = steps.and_then(|steps| steps.get(milestone as usize));
		step.is_some_and(|step| match step.state {
			State::Disputed { opened, answered, .. } => answered || self.now > opened + 1,
			_ => false,
		})
	}

	pub(super) fn answer(&mut self, by: &AccountId, id: AgreementId, milestone: u32) -> Told {
		let (now, at) = (self.now, milestone as usize);
		let Some(deal) = self.deals.get(&id) else { return is(Error::UnknownAgreement) };
		let side = match by {
			by if *by == deal.offer.buyer => Side::Buyer,
			by if *by == deal.offer.seller => Side::Seller,
			_ => return is(Error::NotParty),
		};
		let deal = self.running(None, id, milestone)?;
		let State::Disputed { by: opener, opened, answered } = deal.steps[at].state else {
			return is(Error::NotDisputed);
		};
		if side == opener {
			return is(Error::OwnDispute);
		}
		if answered {
			return is(Error::AlreadyAnswered);
		}
		if now >= deal.due(at) {
			return is(Error::DisputeOver);
		}
		deal.steps[at].state = State::Disputed { by: opener, opened, answered: true };
		deal.touch(Some(side));
		let evidence = evidence(5);
		self.events.push(Event::Answered { id, milestone, by: side, evidence });
		Ok(())
	}

	/// Whose turn it is, if it may rule.
	pub(super) fn seat(&self, id: AgreementId, milestone: u32) -> Option<AccountId> {
		let deal = self.deals.get(&id)?;
		let State::Disputed { opened, .. } = deal.steps.get(milestone as usize)?.state else {
			return None;
		};
		// Ten blocks each, after the block of the dispute, which is the first one's as well.
		let turn = (0..3).find(|turn| self.now <= opened + (turn + 1) * 10)?;
		let arbiters = &deal.offer.panel.arbiters;
		let arbiter = arbiters.get(turn as usize)?;
		let parties = [&deal.offer.buyer, &deal.offer.seller];
		let mut others = arbiters[..turn as usize].iter().chain(parties);
		let may = self.is_active(arbiter) && !others.any(|other| self.related(arbiter, other));
		may.then(|| arbiter.clone())
	}

	pub(super) fn rule(
		&mut self,
		by: &AccountId,
		id: AgreementId,
		milestone: u32,
		share: u32,
	) -> Told {
		let (now, at) = (self.now, milestone as usize);
		let deal = self.running(None, id, milestone)?.clone();
		let State::Disputed { by: disputer, .. } = deal.steps[at].state else {
			return is(Error::NotDisputed);
		};
		if now >= deal.due(at) {
			return is(Error::DisputeOver);
		}
		if !self.is_heard(id, milestone) {
			return is(Error::TooEarlyToRule);
		}
		if self.seat(id, milestone).as_ref() != Some(by) {
			return is(Error::NotInTheSeat);
		}
		let (open, fee) = (deal.open(at), deal.offer.panel.fee);
		let to_seller = part_up(open, share);
		// Of the penalty, what belongs to what is open, and of that what the ruling does not give.
		let terms = deal.offer.milestones[at];
		let penalty = part_down(terms.penalty * open / terms.amount, 1_000_000 - share);
		// Of the bond, what neither this penalty nor those of the others take.
		let others = deal.running().into_iter().filter(|other| *other != at);
		let others: Balance = others.map(|other| deal.offer.milestones[other].penalty).sum();
		let spare = deal.bond - others - penalty;
		let (costs_of_buyer, costs_of_seller) = match disputer {
			Side::Buyer => (0, part_down(fee, 1_000_000 - share).min(spare)),
			Side::Seller => (part_down(fee, share).min(open - to_seller), 0),
		};
		let evidence = evidence(4);
		let (arbiter, ratio) = (by.clone(), Permill::from_parts(share));
		self.events.push(Event::Ruled {
			id,
			milestone,
			arbiter,
			share: ratio,
			fee,
			costs_of_buyer,
			costs_of_seller,
			evidence,
		});
		self.deals.get_mut(&id).unwrap().touch(None);
		if share < 500_000 {
			self.breach(id);
		}
		let cut = Cut { to_seller, costs_of_buyer, penalty, costs_of_seller };
		self.end(id, at, Ending::Resolved, cut, Some(by))
	}

	pub(super) fn poke(&mut self, id: AgreementId) -> Told {
		let Some(deal) = self.deals.get(&id).cloned() else { return is(Error::UnknownAgreement) };
		let due: Vec<_> =
			deal.running().into_iter().filter(|at| deal.due(*at) <= self.now).collect();
		if due.is_empty() {
			return is(Error::NothingDue);
		}
		self.deals.get_mut(&id).unwrap().touch(None);
		for at in due {
			match deal.steps[at].state {
				State::Delivered { .. } => self.release_rest(id, at)?,
				State::Disputed { .. } => self.fall_back(id, at)?,
				_ => {
					self.breach(id);
					let penalty = deal.offer.milestones[at].penalty;
					self.end(id, at, Ending::Expired, Cut { penalty, ..Cut::default() }, None)?;
				},
			}
		}
		Ok(())
	}

	pub(super) fn amend(
		&mut self,
		by: &AccountId,
		id: AgreementId,
		sequence: u32,
		expires: BlockNumber,
	) -> Told {
		let Some(deal) = self.deals.get(&id) else { return is(Error::UnknownAgreement) };
		if ![&deal.offer.buyer, &deal.offer.seller].contains(&by) {
			return is(Error::NotParty);
		}
		if sequence != deal.sequence {
			return is(Error::SequenceNotNext);
		}
		if self.now > expires {
			return is(Error::ConsentExpired);
		}
		if expires > self.now + 43_200 {
			return is(Error::ConsentTooLong);
		}
		Ok(())
	}

	pub(super) fn cancel(&mut self, id: AgreementId, seller: Balance, good: bool) -> Told {
		let deal = &self.deals[&id];
		if seller > (0..deal.steps.len()).map(|at| deal.open(at)).sum() {
			return is(Error::AboveOpen);
		}
		if !good {
			return Err(DispatchError::BadOrigin);
		}
		if seller == REFUSED_GROSS {
			return Err(REFUSED);
		}
		self.wind_up(id, seller, EndReason::Cancelled);
		Ok(())
	}

	pub(super) fn extend(
		&mut self,
		id: AgreementId,
		milestone: u32,
		deliver_by: BlockNumber,
		good: bool,
	) -> Told {
		let (now, at) = (self.now, milestone as usize);
		let deal = self.running(None, id, milestone)?;
		let (State::Funded { deliver_by: before } | State::Reworking { deliver_by: before }) =
			&mut deal.steps[at].state
		else {
			return is(Error::AlreadyDelivered);
		};
		if deliver_by <= *before || deliver_by < now {
			return is(Error::ExtensionOutOfBounds);
		}
		if !good {
			return Err(DispatchError::BadOrigin);
		}
		*before = deliver_by;
		deal.touch(Some(deal.offer.by));
		let sequence = deal.sequence;
		self.events.push(Event::Extended { id, milestone, deliver_by, sequence });
		Ok(())
	}

	fn breach(&mut self, id: AgreementId) {
		let deal = self.deals.get_mut(&id).unwrap();
		deal.breaches += 1;
		self.counted.get_mut(&deal.offer.seller).unwrap().breaches += 1;
		self.market.breaches += 1;
	}

	fn pay(&mut self, id: AgreementId, amount: Balance) -> Told {
		let deal = self.deals.get_mut(&id).unwrap();
		if amount == REFUSED_GROSS {
			return Err(REFUSED);
		}
		let before = shares(deal.schedule, deal.sums.released);
		deal.sums.released += amount;
		let after = shares(deal.schedule, deal.sums.released);
		let seller = deal.offer.seller.clone();
		for (who, share) in [seller, PLATFORM, REFERRERS].iter().zip(0..3) {
			*self.purse(who) += after[share] - before[share];
		}
		Ok(())
	}

	fn release_rest(&mut self, id: AgreementId, at: usize) -> Told {
		let to_seller = self.deals[&id].open(at);
		let arbiter = self.worked(id, at);
		let cut = Cut { to_seller, ..Cut::default() };
		self.end(id, at, Ending::Released, cut, arbiter.as_ref())
	}

	/// Who has had more than half of a turn of ten blocks for a dispute that ends otherwise.
	fn worked(&mut self, id: AgreementId, at: usize) -> Option<AccountId> {
		let deal = &self.deals[&id];
		let State::Disputed { opened, .. } = deal.steps[at].state else { return None };
		let (milestone, fee) = (at as u32, deal.offer.panel.fee);
		let arbiter = self.seat(id, milestone).filter(|_| self.now > opened + 5)?;
		self.events.push(Event::ArbiterPaid { id, milestone, arbiter: arbiter.clone(), fee });
		Some(arbiter)
	}

	fn end_fee(&mut self, id: AgreementId, at: usize, arbiter: Option<&AccountId>) {
		let deal = self.deals.get_mut(&id).unwrap();
		let State::Disputed { by, .. } = deal.steps[at].state else { return };
		let fee = deal.offer.panel.fee;
		let to = match arbiter {
			Some(arbiter) => {
				deal.sums.fees += fee;
				arbiter.clone()
			},
			None => deal.offer.party(by).clone(),
		};
		*self.purse(&to) += fee;
	}

	fn end(
		&mut self,
		id: AgreementId,
		at: usize,
		ending: Ending,
		cut: Cut,
		arbiter: Option<&AccountId>,
	) -> Told {
		self.end_fee(id, at, arbiter);
		let Cut { to_seller, costs_of_buyer, penalty, costs_of_seller } = cut;
		let to_buyer = self.deals[&id].open(at) - to_seller - costs_of_buyer;
		self.pay(id, to_seller)?;
		let deal = self.deals.get_mut(&id).unwrap();
		deal.sums.refunded += to_buyer;
		deal.sums.penalties += penalty;
		deal.sums.costs_of_buyer += costs_of_buyer;
		deal.sums.costs_of_seller += costs_of_seller;
		deal.bond -= penalty + costs_of_seller;
		deal.steps[at].state = State::Ended(ending);
		let is_over = deal.running().is_empty();
		let (buyer, seller) = (deal.offer.buyer.clone(), deal.offer.seller.clone());
		*self.purse(&buyer) += to_buyer + penalty + costs_of_seller;
		*self.purse(&seller) += costs_of_buyer;
		let milestone = at as u32;
		self.events.push(Event::MilestoneEnded {
			id,
			milestone,
			ending,
			to_seller,
			to_buyer,
			penalty,
		});
		if is_over {
			self.conclude(id, EndReason::Completed);
		}
		Ok(())
	}

	fn wind_up(&mut self, id: AgreementId, seller: Balance, reason: EndReason) {
		let deal = &self.deals[&id];
		let running = deal.running();
		let open: Balance = running.iter().map(|at| deal.open(*at)).sum();
		let buyer = deal.offer.buyer.clone();
		self.pay(id, seller).unwrap();
		for at in running {
			let arbiter = self.worked(id, at);
			self.end_fee(id, at, arbiter.as_ref());
		}
		self.deals.get_mut(&id).unwrap().sums.refunded += open - seller;
		*self.purse(&buyer) += open - seller;
		self.conclude(id, reason);
	}

	fn conclude(&mut self, id: AgreementId, reason: EndReason) {
		let deal = self.deals.remove(&id).unwrap();
		let (offer, sums, bond) = (deal.offer, deal.sums, deal.bond);
		let total: Balance = offer.milestones.iter().map(|terms| terms.amount).sum();
		let failed = match reason {
			EndReason::Completed => false,
			EndReason::Cancelled => sums.released == 0,
			EndReason::Voided => true,
		};
		self.count(&offer, |counters| {
			counters.offers += u64::from(offer.round);
			if failed {
				return;
			}
			counters.agreements += 1;
			counters.disputes += u32::from(deal.disputes > 0);
			// Doubling classes: 0, 1, 2 to 3, 4 to 7 blocks.
			let waited = deal.started - offer.opened;
			let class = (0..).find(|class| waited < 1 << class).unwrap();
			counters.waits[class] += 1;
			if let Some(ratio) = (total * 1_000_000).checked_div(offer.first_ask) {
				counters.priced += 1;
				counters.price_ppm += ratio.min(2_000_000) as u64;
			}
		});
		*self.purse(&offer.seller) += bond;
		*self.native.entry(deal.depositor).or_default() += AGREEMENT_PRICE;
		self.talks.get_mut(&offer.key()).unwrap().keep_until = Some(self.now + RECORD_PERIOD);
		let outcome = Outcome {
			negotiation: offer.key(),
			total,
			buyer: offer.buyer,
			seller: offer.seller,
			asset: USD,
			bond: offer.bond,
			sums,
			disputes: deal.disputes,
			breaches: deal.breaches,
			started: deal.started,
			ended: self.now,
			transcript: H256::zero(),
			reason,
		};
		self.outcomes.insert(id, outcome);
		self.events.push(Event::Ended { id, reason, sums, bond });
	}
}
