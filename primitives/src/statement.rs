//! What an agent may keep in the nodes' statement store: signed messages that never reach a block.

/// Statements that an agent may keep at a time.
pub const MAX_STATEMENTS: u32 = 64;

/// Bytes of data that all statements of an agent may have together: a backup of about 1,400 lanes, and
/// room for what else it has to say.
pub const MAX_STATEMENT_BYTES: u32 = 256 * 1024;
