//! Negotiating agreements off chain.

pub mod canonical;
mod desk;
mod driver;
mod encoding;
mod kpi;
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
	driver::{Driver, DriverError, Event, Handle, NegotiationChain, Policy, MAX_OPEN},
	kpi::{Deal, Figures, Kpis},
	machine::{
		Action, Config, ConfigError, Decision, Fact, Input, Negotiator, NoDeal, Notes, Outcome,
		Question, Rejection, DRIFT,
	},
	message::{
		Body, ChainHash, DenyReason, EscalateReason, Message, MessageError, Parties, Quote,
		SignatureError, Signed, MAX_MESSAGE_LEN, PROTOCOL,
	},
	plan::{Departure, PanelPlan, Part, Plan, PlanError, PlanLimits, PlanRule},
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
	transcript::{Summary, Transcript, TranscriptError, MAX_EXPORT_LEN, MAX_MESSAGES},
	transport::{
		respond, seal, HttpTransport, SealError, SealingKey, StatementTransport, Timing, Transport,
		TransportError, NEGOTIATION_PATH,
	},
};
