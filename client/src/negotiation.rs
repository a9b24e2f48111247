//! Negotiating agreements off chain.
//!
//! Two agents exchange six kinds of [messages](Message), signed and chained by hash, until one [accepts](Body::Accept)
//! the other's standing offer and commits it, or there is no deal. The rules, their reasons and the threat model are in
//! `docs/negotiation.md`.
//!
//! | layer | is | does |
//! |---|---|---|
//! | documents | [`Terms`], [`Plan`], [`canonical`] | say what is bought, in bytes that can be signed |
//! | protocol | [`Message`], [`State`], [`Transcript`] | which message may follow which; evidence for others |
//! | decisions | [`Strategy`], [`Negotiator`] | what to say; no clock, no network, no disk |
//! | edges | [`Desk`], [`Transport`], [`Kpis`] | a store, ways between agents, figures |
//! | all of it | [`Driver`] | any number of negotiations of an agent, with store, transport and chain |

pub mod canonical;
mod desk;
mod driver;
mod encoding;
mod kpi;
mod locks;
mod machine;
mod message;
mod plan;
mod rows;
mod state;
mod strategy;
mod terms;
mod transcript;
mod transport;

#[cfg(test)]
mod tests;

pub use self::{
	desk::{Desk, DeskError},
	driver::{
		Driver, DriverError, Event, Events, Handle, Load, NegotiationChain, Overview, Policy,
		EVENTS, MAX_OPEN, MAX_OPEN_WITH,
	},
	kpi::{Deal, Figures, Kpis},
	locks::Locks,
	machine::{
		Action, Config, ConfigError, Decision, Fact, Input, Negotiator, NoDeal, Notes, Outcome,
		Question, Rejection, DRIFT, OPENING_AGE, OPENING_DRIFT,
	},
	message::{
		offer_nonce, Body, ChainHash, DenyReason, EscalateReason, Message, MessageError, Parties,
		Quote, SignatureError, Signed, MAX_MESSAGE_LEN, PROTOCOL,
	},
	plan::{Departure, ItemLimit, PanelPlan, Part, Plan, PlanError, PlanLimits, PlanRule},
	rows::{load, load_all, Kept},
	state::{Request, Standing, State, Turn, Violation},
	strategy::{
		concession, power, FixedRule, Moment, Proposal, Range, RangeError, Shape, Strategy,
		TimeDependent, Utility, Weights, MAX_EXPONENT,
	},
	terms::{
		Delivery, Failure, LineItem, PenaltyClause, Quantity, ServiceLevel, Terms, TermsError,
		MAX_TERMS_LEN, MILLION, TERMS_VERSION,
	},
	transcript::{Evidence, Summary, Transcript, TranscriptError, MAX_EXPORT_LEN, MAX_MESSAGES},
	transport::{
		respond, seal, HttpTransport, SealError, SealingKey, StatementTransport, Timing, Transport,
		TransportError, NEGOTIATION_PATH,
	},
};
