//! `WWW-Authenticate`: a list of challenges of any scheme, as RFC 9110 writes them.

use super::{Challenge, CodecError, SCHEME};

/// Why a header value is not a list of challenges.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderError {
	/// A quoted string does not end.
	#[error("a quoted string does not end")]
	Quote,
	/// Neither a scheme nor a parameter.
	#[error("the header is malformed")]
	Syntax,
	/// A parameter that the scheme requires is missing or empty.
	#[error("the parameter `{0}` is missing")]
	Missing(&'static str),
	/// A parameter appears twice.
	#[error("a parameter appears twice")]
	Twice,
}

/// Longest header value that is looked at.
const MAX_LEN: usize = 16 * 1_024;

pub(super) fn format_challenge(challenge: &Challenge) -> String {
	let mut out = format!("{SCHEME} ");
	let mut put = |name: &str, value: &str| {
		if !out.ends_with(' ') {
			out.push_str(", ");
		}
		out.push_str(name);
		out.push_str("=\"");
		for c in value.chars().filter(|c| !c.is_control()) {
			if c == '"' || c == '\\' {
				out.push('\\');
			}
			out.push(c);
		}
		out.push('"');
	};
	put("id", &challenge.id);
	put("realm", &challenge.realm);
	put("method", &challenge.method);
	put("intent", &challenge.intent);
	put("request", &challenge.request);
	if let Some(expires) = &challenge.expires {
		put("expires", expires);
	}
	if let Some(opaque) = &challenge.opaque {
		put("opaque", opaque);
	}
	out
}

#[derive(Debug, PartialEq)]
enum Token {
	/// A bare word: a scheme, or the name of a parameter.
	Word(String),
	/// A quoted string.
	Quoted(String),
	Equals,
	Comma,
}

fn is_word(c: char) -> bool {
	// `token` and `token68` together: what may stand unquoted.
	c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c)
}

fn tokens(text: &str) -> Result<Vec<Token>, HeaderError> {
	let mut out = Vec::new();
	let mut chars = text.chars().peekable();
	while let Some(c) = chars.next() {
		match c {
			' ' | '\t' => {},
			',' => out.push(Token::Comma),
			'=' => out.push(Token::Equals),
			'"' => {
				let mut value = String::new();
				loop {
					match chars.next().ok_or(HeaderError::Quote)? {
						'"' => break,
						'\\' => value.push(chars.next().ok_or(HeaderError::Quote)?),
						c => value.push(c),
					}
				}
				out.push(Token::Quoted(value));
			},
			c if is_word(c) => {
				let mut word = String::from(c);
				while let Some(c) = chars.next_if(|c| is_word(*c)) {
					word.push(c);
				}
				out.push(Token::Word(word));
			},
			_ => return Err(HeaderError::Syntax),
		}
	}
	Ok(out)
}

/// All challenges of the `Payment` scheme in the value of one `WWW-Authenticate` header. Challenges
/// of other schemes, and parameters that are not known, are passed over.
///
/// # Errors
///
/// [`HeaderError`].
pub fn parse_challenges(value: &str) -> Result<Vec<Challenge>, CodecError> {
	if value.len() > MAX_LEN {
		return Err(HeaderError::Syntax.into());
	}
	let mut schemes: Vec<(String, Vec<(String, String)>)> = Vec::new();
	let mut tokens = tokens(value)?.into_iter().peekable();
	while let Some(token) = tokens.next() {
		let word = match token {
			Token::Comma | Token::Equals => continue,
			Token::Quoted(_) => return Err(HeaderError::Syntax.into()),
			Token::Word(word) => word,
		};
		// A word followed by `=` and a value is a parameter, else a scheme (or its token68).
		if tokens.next_if(|next| *next == Token::Equals).is_none() {
			schemes.push((word, Vec::new()));
			continue;
		}
		let value = match tokens.next_if(|next| matches!(next, Token::Word(_) | Token::Quoted(_))) {
			Some(Token::Word(value) | Token::Quoted(value)) => value,
			// The padding of a token68.
			_ => continue,
		};
		let (_, parameters) = schemes.last_mut().ok_or(HeaderError::Syntax)?;
		parameters.push((word.to_ascii_lowercase(), value));
	}
	schemes
		.into_iter()
		.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME))
		.map(|(_, parameters)| challenge(&parameters))
		.collect()
}

fn challenge(parameters: &[(String, String)]) -> Result<Challenge, CodecError> {
	let optional = |name: &str| -> Result<Option<String>, HeaderError> {
		let mut found = parameters.iter().filter(|(other, _)| other == name);
		let value = found.next().map(|(_, value)| value.clone());
		match found.next() {
			Some(_) => Err(HeaderError::Twice),
			None => Ok(value),
		}
	};
	let required = |name: &'static str| -> Result<String, HeaderError> {
		optional(name)?.filter(|value| !value.is_empty()).ok_or(HeaderError::Missing(name))
	};
	Ok(Challenge {
		id: required("id")?,
		realm: required("realm")?,
		method: required("method")?,
		intent: required("intent")?,
		request: required("request")?,
		expires: optional("expires")?,
		opaque: optional("opaque")?,
	})
}
