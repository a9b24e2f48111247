//! The pallet against a plain model, step by step.

use crate::{mock::*, Issued, Row};
use frame_support::{
	assert_ok,
	traits::tokens::{
		fungibles::{Balanced, Inspect as _},
		Fortitude, Precision, Preservation,
	},
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use stoa_primitives::{
	money::LockReason::{self, Agreement, Channel},
	AccountId, AssetId, Balance,
};

const USERS: [AccountId; 4] = [ALICE, BOB, CHARLIE, DAVE];
const ASSETS: [AssetId; 2] = [STOA, USD];
const REASONS: [LockReason; 2] = [Channel, Agreement];

#[derive(Clone, Debug)]
enum Step {
	Deposit {
		who: AccountId,
		asset: AssetId,
		amount: Balance,
		to: AccountId,
	},
	Withdraw {
		who: AccountId,
		asset: AssetId,
		amount: Balance,
		to: AccountId,
	},
	Lock {
		who: AccountId,
		asset: AssetId,
		amount: Balance,
		reason: LockReason,
	},
	Unlock {
		who: AccountId,
		asset: AssetId,
		amount: Balance,
		reason: LockReason,
	},
	Pay {
		to: AccountId,
		asset: AssetId,
		amount: Balance,
		reason: LockReason,
	},
	Accept {
		asset: AssetId,
		bound: Balance,
	},
	Stop {
		asset: AssetId,
	},
	/// Charge a transaction fee: half is handed to `to`, half to nobody.
	Fee {
		who: AccountId,
		asset: AssetId,
		amount: Balance,
		to: AccountId,
	},
	/// Freeze or thaw what custody holds of [`USD`].
	Freeze(bool),
}

/// What the ledger should be.
struct Model {
	real: BTreeMap<(AccountId, AssetId), Balance>,
	rows: BTreeMap<(AccountId, AssetId), Row>,
	purses: BTreeMap<(AssetId, LockReason), Balance>,
	accepted: BTreeMap<AssetId, Balance>,
	/// What custody holds and nobody is owed.
	surplus: BTreeMap<AssetId, Balance>,
	frozen: bool,
}

impl Model {
	fn new() -> Self {
		let real = USERS
			.iter()
			.flat_map(|who| ASSETS.map(|asset| ((who.clone(), asset), START)))
			.collect();
		let accepted = BTreeMap::from([(STOA, STOA_DUST), (USD, USD_DUST)]);
		let surplus = ASSETS.map(|asset| (asset.clone(), Self::minimum(&asset))).into();
		let (rows, purses) = Default::default();
		Self { real, rows, purses, accepted, surplus, frozen: false }
	}

	fn minimum(asset: &AssetId) -> Balance {
		if *asset == STOA {
			ED
		} else {
			1
		}
	}

	fn row(&self, who: &AccountId, asset: &AssetId) -> Row {
		self.rows.get(&(who.clone(), asset.clone())).copied().unwrap_or_default()
	}

	fn purse(&self, asset: &AssetId, reason: LockReason) -> Balance {
		self.purses.get(&(asset.clone(), reason)).copied().unwrap_or_default()
	}

	fn set_free(&mut self, who: &AccountId, asset: &AssetId, free: Balance) {
		let before = self.row(who, asset);
		let reaches = free > before.free && self.accepted.get(asset).is_some_and(|b| free >= *b);
		let key = (who.clone(), asset.clone());
		if free == 0 {
			self.rows.remove(&key);
		} else {
			self.rows.insert(key, Row { free, sufficient: before.sufficient || reaches });
		}
	}

	/// Apply a step; `None` when it must fail.
	fn apply(&mut self, step: &Step) -> Option<()> {
		match step {
			Step::Deposit { who, asset, amount, to } => {
				let bound = *self.accepted.get(asset)?;
				let free = self.row(to, asset).free.checked_add(*amount)?;
				let real = self.real[&(who.clone(), asset.clone())];
				let rest = real.checked_sub(*amount)?;
				if *amount == 0 || free < bound || rest < Self::minimum(asset) {
					return None;
				}
				self.real.insert((who.clone(), asset.clone()), rest);
				self.set_free(to, asset, free);
			},
			Step::Withdraw { who, asset, amount, to } => {
				let free = self.row(who, asset).free.checked_sub(*amount)?;
				let bound = self.accepted.get(asset).copied().unwrap_or_default();
				if *amount == 0 || (self.frozen && *asset == USD) || (free > 0 && free < bound) {
					return None;
				}
				self.set_free(who, asset, free);
				*self.real.get_mut(&(to.clone(), asset.clone()))? += amount;
			},
			Step::Lock { who, asset, amount, reason } => {
				let free = self.row(who, asset).free.checked_sub(*amount)?;
				self.set_free(who, asset, free);
				*self.purses.entry((asset.clone(), *reason)).or_default() += amount;
			},
			Step::Unlock { who: to, asset, amount, reason }
			| Step::Pay { to, asset, amount, reason } => {
				let rest = self.purse(asset, *reason).checked_sub(*amount)?;
				let free = self.row(to, asset).free + amount;
				self.purses.insert((asset.clone(), *reason), rest);
				self.set_free(to, asset, free);
			},
			Step::Accept { asset, bound } => {
				if *bound < Self::minimum(asset) {
					return None;
				}
				self.accepted.insert(asset.clone(), *bound);
			},
			Step::Stop { asset } => {
				self.accepted.remove(asset)?;
			},
			Step::Fee { who, asset, amount, to } => {
				let row = self.row(who, asset);
				let free = row.free.checked_sub(*amount)?;
				if row.sufficient && free == 0 {
					return None;
				}
				self.set_free(who, asset, free);
				self.set_free(to, asset, self.row(to, asset).free + amount / 2);
				*self.surplus.get_mut(asset)? += amount - amount / 2;
			},
			Step::Freeze(frozen) => self.frozen = *frozen,
		}
		Some(())
	}

	/// What is issued of `asset`, from the rows and purses alone.
	fn issued(&self, asset: &AssetId) -> Balance {
		let rows = self.rows.iter().filter(|((_, a), _)| a == asset).map(|(_, row)| row.free);
		let purses = self.purses.iter().filter(|((a, _), _)| a == asset).map(|(_, purse)| *purse);
		rows.chain(purses).sum()
	}

	fn assert_same(&self, references: &BTreeMap<AccountId, u32>) {
		for asset in &ASSETS {
			for who in &USERS {
				assert_eq!(row(who, asset.clone()).unwrap_or_default(), self.row(who, asset));
				assert_eq!(real(who, asset.clone()), self.real[&(who.clone(), asset.clone())]);
			}
			for reason in REASONS {
				assert_eq!(purse(asset.clone(), reason), self.purse(asset, reason));
			}
			let issued = self.issued(asset);
			assert_eq!(Issued::<Test>::get(asset), issued);
			let custody = Fungibles::balance(asset.clone(), &Credits::custody());
			assert_eq!(custody, issued + self.surplus[asset]);
		}
		for who in &USERS {
			let flagged = ASSETS.iter().filter(|asset| self.row(who, asset).sufficient).count();
			assert_eq!(System::sufficients(who) as usize, references[who] as usize + flagged);
		}
		assert_eq!(
			Credits::accepted_assets().into_iter().collect::<BTreeMap<_, _>>(),
			self.accepted
		);
	}
}

fn perform(step: Step) -> bool {
	match step {
		Step::Deposit { who, asset, amount, to } => {
			Credits::deposit(signed(who), asset, amount, to).is_ok()
		},
		Step::Withdraw { who, asset, amount, to } => {
			// To take all is the same by two calls.
			if free(&who, asset.clone()) == amount {
				Credits::withdraw_all(signed(who), asset, to).is_ok()
			} else {
				Credits::withdraw(signed(who), asset, amount, to).is_ok()
			}
		},
		// The ledger's callers roll back what fails.
		Step::Lock { who, asset, amount, reason } => {
			frame_support::storage::with_storage_layer(|| lock(&who, asset, amount, reason)).is_ok()
		},
		Step::Unlock { who, asset, amount, reason } => {
			frame_support::storage::with_storage_layer(|| unlock(&who, asset, amount, reason))
				.is_ok()
		},
		Step::Pay { to, asset, amount, reason } => {
			frame_support::storage::with_storage_layer(|| pay_locked(&to, asset, amount, reason))
				.is_ok()
		},
		Step::Accept { asset, bound } => {
			Credits::accept_asset(RuntimeOrigin::root(), asset, bound).is_ok()
		},
		Step::Stop { asset } => Credits::stop_accepting(RuntimeOrigin::root(), asset).is_ok(),
		Step::Fee { who, asset, amount, to } => {
			let fee = <Credits as Balanced<_>>::withdraw(
				asset,
				&who,
				amount,
				Precision::Exact,
				Preservation::Protect,
				Fortitude::Polite,
			);
			fee.map(|fee| {
				let (taken, dropped) = fee.split(amount / 2);
				assert_ok!(Credits::resolve(&to, taken).map_err(drop));
				drop(dropped);
			})
			.is_ok()
		},
		Step::Freeze(true) => Assets::freeze(signed(DAVE), 1, Credits::custody()).is_ok(),
		Step::Freeze(false) => Assets::thaw(signed(DAVE), 1, Credits::custody()).is_ok(),
	}
}

fn amounts() -> impl Strategy<Value = Balance> {
	prop_oneof![
		2 => proptest::sample::select(vec![0, 1, ED, Balance::MAX, START, START - 1, START - ED]),
		2 => proptest::sample::select(vec![STOA_DUST - 1, STOA_DUST, USD_DUST - 1, USD_DUST]),
		3 => 0..4 * USD_DUST,
	]
}

fn steps() -> impl Strategy<Value = Step> {
	let who = || proptest::sample::select(USERS.to_vec());
	let asset = || proptest::sample::select(ASSETS.to_vec());
	let reason = || proptest::sample::select(REASONS.to_vec());
	prop_oneof![
		6 => (who(), asset(), amounts(), who())
			.prop_map(|(who, asset, amount, to)| Step::Deposit { who, asset, amount, to }),
		4 => (who(), asset(), amounts(), who())
			.prop_map(|(who, asset, amount, to)| Step::Withdraw { who, asset, amount, to }),
		6 => (who(), asset(), amounts(), reason())
			.prop_map(|(who, asset, amount, reason)| Step::Lock { who, asset, amount, reason }),
		3 => (who(), asset(), amounts(), reason())
			.prop_map(|(who, asset, amount, reason)| Step::Unlock { who, asset, amount, reason }),
		5 => (who(), asset(), amounts(), reason())
			.prop_map(|(to, asset, amount, reason)| Step::Pay { to, asset, amount, reason }),
		3 => (who(), asset(), amounts(), who())
			.prop_map(|(who, asset, amount, to)| Step::Fee { who, asset, amount, to }),
		1 => (asset(), amounts()).prop_map(|(asset, bound)| Step::Accept { asset, bound }),
		1 => asset().prop_map(|asset| Step::Stop { asset }),
		1 => any::<bool>().prop_map(Step::Freeze),
	]
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(128))]

	#[test]
	fn ledger_should_agree_with_a_plain_model(steps in prop::collection::vec(steps(), 1..80)) {
		new_test_ext().execute_with(|| {
			let references =
				USERS.iter().map(|who| (who.clone(), System::sufficients(who))).collect();
			let mut model = Model::new();
			for step in steps {
				let expected = model.apply(&step).is_some();
				assert_eq!(perform(step.clone()), expected, "{step:?}");
				model.assert_same(&references);
				assert_ok!(Credits::do_try_state());
			}
			// Whatever happened, everybody who has free credits can take all of them out.
			let _ = Assets::thaw(signed(DAVE), 1, Credits::custody());
			for ((who, asset), row) in model.rows {
				assert_ok!(Credits::withdraw(signed(who.clone()), asset, row.free, who));
			}
			assert_ok!(Credits::do_try_state());
		});
	}
}
