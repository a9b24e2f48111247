//! Terms, caps and genesis.

use crate::{mock::*, Error, Event, GenesisConfig, Terms, MAX_WINDOW};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{BuildStorage, DispatchError, Permill};
use stoa_primitives::{AssetId, DAYS};

fn terms(levels: [u32; 3], window: u32) -> Terms {
	Terms { levels: levels.map(Permill::from_percent), window }
}

#[test]
fn genesis_should_set_terms_and_caps() {
	build_and_execute(|| {
		assert_eq!(Referrals::terms(), terms([70, 20, 10], 365 * DAYS));
		assert_eq!(Referrals::terms().window, 15_768_000);
		assert_eq!(Referrals::cap(USD), Some(CAP));
		assert_eq!(Referrals::cap(EUR), None);
	});
}

#[test]
#[should_panic = "bad terms at genesis"]
fn genesis_should_panic_when_terms_are_bad() {
	let config = GenesisConfig::<Test> { terms: terms([10, 20, 30], 1), ..Default::default() };
	let _ = config.build_storage();
}

#[test]
#[should_panic = "too many caps at genesis"]
fn genesis_should_panic_when_there_are_too_many_caps() {
	let caps = (0..4).map(|id| (AssetId::WithId(id), 1)).collect();
	let _ = GenesisConfig::<Test> { caps, ..Default::default() }.build_storage();
}

#[test]
fn set_terms_should_replace_them() {
	build_and_execute(|| {
		for new in [
			terms([50, 50, 0], MAX_WINDOW),
			terms([100, 0, 0], 1),
			terms([0, 0, 0], 0),
			terms([30, 30, 30], 5),
		] {
			assert_ok!(Referrals::set_terms(root(), new));
			assert_eq!(Referrals::terms(), new);
			System::assert_last_event(Event::<Test>::TermsSet { terms: new }.into());
		}
	});
}

#[test]
fn set_terms_should_fail_when_they_are_bad() {
	build_and_execute(|| {
		let set = |terms| Referrals::set_terms(root(), terms);
		assert_noop!(set(terms([70, 20, 11], 1)), Error::<Test>::LevelsAboveWhole);
		assert_noop!(set(terms([100, 100, 100], 1)), Error::<Test>::LevelsAboveWhole);
		assert_noop!(set(terms([20, 30, 0], 1)), Error::<Test>::LevelsRising);
		assert_noop!(set(terms([30, 0, 10], 1)), Error::<Test>::LevelsRising);
		assert_noop!(set(terms([30, 0, 0], MAX_WINDOW + 1)), Error::<Test>::WindowTooLong);
		assert_noop!(Referrals::set_terms(signed(1), Terms::default()), DispatchError::BadOrigin);
	});
}

#[test]
fn set_cap_should_add_and_change_caps() {
	build_and_execute(|| {
		for (asset, cap) in [(EUR, 5), (USD, 0), (AssetId::Native, u128::MAX), (EUR, 6)] {
			assert_ok!(Referrals::set_cap(root(), asset.clone(), cap));
			assert_eq!(Referrals::cap(asset.clone()), Some(cap));
			System::assert_last_event(Event::<Test>::CapSet { asset, cap }.into());
		}
	});
}

#[test]
fn set_cap_should_fail_when_there_are_too_many_assets() {
	build_and_execute(|| {
		assert_ok!(Referrals::set_cap(root(), EUR, 1));
		assert_ok!(Referrals::set_cap(root(), AssetId::Native, 1));
		assert_noop!(
			Referrals::set_cap(root(), AssetId::WithId(9), 1),
			Error::<Test>::TooManyAssets
		);
		assert_ok!(Referrals::set_cap(root(), USD, 1));
	});
}

#[test]
fn set_cap_should_fail_when_the_caller_is_not_governance() {
	build_and_execute(|| {
		assert_noop!(Referrals::set_cap(signed(1), USD, 1), DispatchError::BadOrigin);
	});
}
