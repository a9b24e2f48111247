//! Accounts that act together or for each other.

use crate::*;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{parameter_types, traits::ConstU32, traits::InstanceFilter};
use scale_info::TypeInfo;
use sp_runtime::traits::BlakeTwo256;
use stoa_primitives::agreement::Side;

impl pallet_utility::Config for Runtime {
	type PalletsOrigin = OriginCaller;
	type RuntimeCall = RuntimeCall;
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = pallet_utility::weights::SubstrateWeight<Runtime>;
}

parameter_types! {
	/// One row: key, and the operation without its signatories.
	pub const MultisigDepositBase: Balance = units::deposit(1, 88);
	/// Each signatory.
	pub const MultisigDepositFactor: Balance = units::deposit(0, 32);
	/// One row without its entries.
	pub const ProxyDepositBase: Balance = units::deposit(1, 8);
	/// Each entry.
	pub const ProxyDepositFactor: Balance = units::deposit(0, 33);
	/// One row without its entries.
	pub const AnnouncementDepositBase: Balance = units::deposit(1, 8);
	/// Each entry.
	pub const AnnouncementDepositFactor: Balance = units::deposit(0, 66);
}

impl pallet_multisig::Config for Runtime {
	type BlockNumberProvider = System;
	type Currency = Balances;
	type DepositBase = MultisigDepositBase;
	type DepositFactor = MultisigDepositFactor;
	type MaxSignatories = ConstU32<100>;
	type RuntimeCall = RuntimeCall;
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = pallet_multisig::weights::SubstrateWeight<Runtime>;
}

/// What a proxy may do.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Default,
	Encode,
	Eq,
	MaxEncodedLen,
	Ord,
	PartialEq,
	PartialOrd,
	TypeInfo,
)]
pub enum ProxyType {
	/// Everything.
	#[default]
	#[codec(index = 0)]
	Any,
	/// Trade with credits that are there: channels, agreements, charges, codes, leases and manifests. What
	/// money it moves goes to registered agents, less the market's fees unless it is what an arbiter gets
	/// for a ruling, or back to its payer; it deposits and withdraws nothing, locks no bond, registers
	/// nobody, changes no operator, and adds no key that would outlive it.
	#[codec(index = 1)]
	Agent,
	/// Everything that moves no tokens.
	#[codec(index = 2)]
	NonTransfer,
}

impl InstanceFilter<RuntimeCall> for ProxyType {
	fn filter(&self, call: &RuntimeCall) -> bool {
		match self {
			Self::Any => true,
			Self::Agent => match call {
				RuntimeCall::Agents(call) => {
					use pallet_stoa_agents::Call;
					!matches!(
						call,
						Call::register { .. }
							| Call::add_key { .. }
							| Call::retire { .. } | Call::offer_transfer { .. }
							| Call::accept_transfer { .. }
							| Call::cancel_transfer { .. }
					)
				},
				RuntimeCall::FeeSplit(_) | RuntimeCall::Referrals(_) | RuntimeCall::Channels(_) => {
					true
				},
				// Of a bond the buyer may get all, and it need not be an agent.
				RuntimeCall::Escrow(pallet_stoa_escrow::Call::commit { offer, .. }) => {
					offer.by == Side::Seller || offer.bond == 0
				},
				RuntimeCall::Escrow(_) => true,
				// A batch of calls is judged call by call: the filter travels with the origin.
				RuntimeCall::Utility(_) => true,
				_ => false,
			},
			Self::NonTransfer => !matches!(
				call,
				RuntimeCall::Balances(_)
					| RuntimeCall::Assets(_)
					| RuntimeCall::Credits(_)
					| RuntimeCall::FeeSplit(_)
					| RuntimeCall::Channels(_)
					| RuntimeCall::Escrow(_)
					| RuntimeCall::Sudo(_)
			),
		}
	}

	fn is_superset(&self, other: &Self) -> bool {
		matches!((self, other), (Self::Any, _)) || self == other
	}
}

impl pallet_proxy::Config for Runtime {
	type AnnouncementDepositBase = AnnouncementDepositBase;
	type AnnouncementDepositFactor = AnnouncementDepositFactor;
	type BlockNumberProvider = System;
	type CallHasher = BlakeTwo256;
	type Currency = Balances;
	type MaxPending = ConstU32<32>;
	type MaxProxies = ConstU32<32>;
	type ProxyDepositBase = ProxyDepositBase;
	type ProxyDepositFactor = ProxyDepositFactor;
	type ProxyType = ProxyType;
	type RuntimeCall = RuntimeCall;
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = pallet_proxy::weights::SubstrateWeight<Runtime>;
}

impl pallet_sudo::Config for Runtime {
	type RuntimeCall = RuntimeCall;
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}
