//! The JSON schemas in `docs/schemas`, against what the types write.
//!
//! The validator below knows the keywords that the schemas use and refuses a schema with any other, so that no
//! condition goes unchecked.

use super::*;
use serde_json::{json, Value};

fn schema(name: &str) -> Value {
	let text = match name {
		"terms.json" => include_str!("../../../../docs/schemas/terms.json"),
		"message.json" => include_str!("../../../../docs/schemas/message.json"),
		other => panic!("no schema {other}"),
	};
	serde_json::from_str(text).unwrap()
}

/// What is wrong with `value`, by the schema `name`.
fn check(name: &str, value: &Value) -> Result<(), String> {
	let root = schema(name);
	validate(&root, &root, value, "")
}

fn ensure(good: bool, at: &str, keyword: &str) -> Result<(), String> {
	match good {
		true => Ok(()),
		false => Err(format!("{at}: {keyword}")),
	}
}

fn validate(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
	let schema = schema.as_object().unwrap();
	for (keyword, rule) in schema {
		let good = match keyword.as_str() {
			"$schema" | "$id" | "$defs" | "title" | "description" => true,
			"$ref" => {
				let reference = rule.as_str().unwrap();
				match reference.split_once('#').unwrap() {
					("", pointer) => {
						let target = root.pointer(pointer).expect(reference);
						validate(root, target, value, at)?;
					},
					(file, "") => check(file, value).map_err(|error| format!("{at}{error}"))?,
					_ => panic!("{reference}"),
				}
				true
			},
			"type" => match rule.as_str().unwrap() {
				"object" => value.is_object(),
				"array" => value.is_array(),
				"string" => value.is_string(),
				"boolean" => value.is_boolean(),
				"integer" => value.is_u64(),
				other => panic!("{other}"),
			},
			"const" => value == rule,
			"enum" => rule.as_array().unwrap().contains(value),
			"required" => {
				let names = rule.as_array().unwrap().iter();
				names.into_iter().all(|name| value.get(name.as_str().unwrap()).is_some())
			},
			"properties" => {
				for (name, rule) in rule.as_object().unwrap() {
					if let Some(member) = value.get(name) {
						validate(root, rule, member, &format!("{at}/{name}"))?;
					}
				}
				true
			},
			"additionalProperties" => {
				let known = schema.get("properties").and_then(Value::as_object);
				for (name, member) in value.as_object().into_iter().flatten() {
					if known.is_some_and(|known| known.contains_key(name)) {
						continue;
					}
					match rule {
						Value::Bool(false) => return Err(format!("{at}/{name}: unknown")),
						rule => validate(root, rule, member, &format!("{at}/{name}"))?,
					}
				}
				true
			},
			"propertyNames" => {
				for (name, _) in value.as_object().into_iter().flatten() {
					validate(root, rule, &json!(name), &format!("{at}/{name}"))?;
				}
				true
			},
			"maxProperties" => {
				value.as_object().is_none_or(|it| Some(it.len() as u64) <= rule.as_u64())
			},
			"items" => {
				for (n, item) in value.as_array().into_iter().flatten().enumerate() {
					validate(root, rule, item, &format!("{at}/{n}"))?;
				}
				true
			},
			"minItems" => items(value).is_none_or(|count| Some(count) >= rule.as_u64()),
			"maxItems" => items(value).is_none_or(|count| Some(count) <= rule.as_u64()),
			"maxLength" => length(value).is_none_or(|count| Some(count) <= rule.as_u64()),
			"minimum" => value.as_u64().is_none_or(|number| Some(number) >= rule.as_u64()),
			"maximum" => value.as_u64().is_none_or(|number| Some(number) <= rule.as_u64()),
			"pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().unwrap(), text)),
			"oneOf" => {
				let rules = rule.as_array().unwrap().iter();
				let fits: Vec<_> = rules.map(|rule| validate(root, rule, value, at)).collect();
				let count = fits.iter().filter(|fit| fit.is_ok()).count();
				ensure(count == 1, at, &format!("oneOf {fits:?}"))?;
				true
			},
			other => panic!("the validator does not know `{other}`"),
		};
		ensure(good, at, keyword)?;
	}
	Ok(())
}

fn length(value: &Value) -> Option<u64> {
	value.as_str().map(|text| text.chars().count() as u64)
}

fn items(value: &Value) -> Option<u64> {
	value.as_array().map(|items| items.len() as u64)
}

/// The patterns of the schemas, each by hand.
fn matches(pattern: &str, text: &str) -> bool {
	let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
	let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
	match pattern {
		"^0x[0-9a-f]{64}$" => text.len() == 66 && text.starts_with("0x") && hex(&text[2..]),
		"^0x([0-9a-f]{2})+$" => {
			text.len() > 2
				&& text.len().is_multiple_of(2)
				&& text.starts_with("0x")
				&& hex(&text[2..])
		},
		"^(0|[1-9][0-9]{0,38})$" => {
			(1..=39).contains(&text.len())
				&& digits(text)
				&& (text == "0" || !text.starts_with('0'))
		},
		"^[1-9A-HJ-NP-Za-km-z]{46,50}$" => {
			let base58 = |b: u8| b.is_ascii_alphanumeric() && !b"0OIl".contains(&b);
			(46..=50).contains(&text.len()) && text.bytes().all(base58)
		},
		"^(native:STOA|asset:(0|[1-9][0-9]{0,9}))$" => {
			text == "native:STOA"
				|| text
					.strip_prefix("asset:")
					.is_some_and(|id| matches("^(0|[1-9][0-9]{0,38})$", id) && id.len() <= 10)
		},
		"^(?!0$)(0|[1-9][0-9]{0,19})(\\.[0-9]{0,11}[1-9])?$" => text.parse::<Quantity>().is_ok(),
		"^[0-9A-Za-z./%-]{1,16}$" => {
			let unit = |b: u8| b.is_ascii_alphanumeric() || b"./%-".contains(&b);
			(1..=16).contains(&text.len()) && text.bytes().all(unit)
		},
		"^[^\\u0000-\\u001f\\u007f-\\u009f]+$" => {
			!text.is_empty() && !text.chars().any(char::is_control)
		},
		other => panic!("the validator does not know the pattern {other}"),
	}
}

fn value(signed: &Signed) -> Value {
	serde_json::to_value(signed).unwrap()
}

/// One of each of the six messages.
fn six() -> Vec<Signed> {
	let buyer = Config { threshold: Some(1_300), ..buyer() };
	let mut world = World::new(buyer, seller());
	world.open();
	world.run();
	while world.outcome(Side::Buyer).is_none() {
		if world.asked.pop().is_some() {
			world.handle(Side::Buyer, Input::Decision(Decision::Approve)).unwrap();
		}
		world.run();
		world.block();
	}
	let mut messages: Vec<_> = world.sides[0].transcript().messages().cloned().collect();
	let mut denial = messages[1].message.clone();
	let remark = Some("not before the new year".into());
	denial.body = Body::Deny { reason: DenyReason::Unavailable, retry_at: Some(9), remark };
	denial.extensions.insert("trace".into(), "7".into());
	messages.push(Signed::sign(denial, &AgentKey::from(key(Side::Seller))).unwrap());
	messages
}

#[test]
fn all_messages_should_fit_their_schema() {
	let messages = six();
	let mut kinds: Vec<_> =
		messages.iter().map(|it| value(it)["message"]["body"]["type"].to_string()).collect();
	for signed in &messages {
		assert_eq!(check("message.json", &value(signed)), Ok(()));
	}
	kinds.sort();
	kinds.dedup();
	assert_eq!(kinds.len(), 6, "{kinds:?}");
}

#[test]
fn the_schema_of_messages_should_refuse_what_the_types_refuse() {
	let request = value(&six()[0]);
	let refused = |pointer: &str, to: Value| {
		let mut changed = request.clone();
		*changed.pointer_mut(pointer).expect(pointer) = to;
		assert!(check("message.json", &changed).is_err(), "{pointer}");
		let bytes = canonical::to_bytes(&changed).unwrap();
		assert!(Signed::parse(&bytes).is_err(), "{pointer}");
	};
	refused("/message/protocol", json!("stoa/negotiation/2"));
	refused("/message/chain", json!("0x12"));
	refused("/message/from", json!("5Grw"));
	refused("/message/side", json!("broker"));
	refused("/message/sequence", json!("1"));
	refused("/message/body/type", json!("BID"));
	refused("/message/body/plan/asset", json!("asset:01"));
	refused("/message/body/plan/milestones", json!([]));
	refused("/message/body/plan/milestones/0/sharePpm", json!(0));
	refused("/message/body/plan/panel/fee", json!(5));
	refused("/message/body/terms/version", json!(2));
	refused("/signature", json!("0xABC"));
	for pointer in ["/message", "/message/body", "/message/body/plan", "/message/body/plan/panel"] {
		let mut members = request.pointer(pointer).unwrap().clone();
		members["more"] = json!(1);
		refused(pointer, members);
	}
}

#[test]
fn terms_should_fit_their_schema_and_the_schema_should_refuse_what_the_types_refuse() {
	let good = serde_json::to_value(terms()).unwrap();
	assert_eq!(check("terms.json", &good), Ok(()));
	let example = include_str!("../../../../docs/schemas/examples/terms.json");
	assert_eq!(check("terms.json", &serde_json::from_str(example).unwrap()), Ok(()));
	let refused = |pointer: &str, to: Value| {
		let mut changed = good.clone();
		*changed.pointer_mut(pointer).expect(pointer) = to;
		assert!(check("terms.json", &changed).is_err(), "{pointer}");
		assert!(Terms::parse(&canonical::to_bytes(&changed).unwrap()).is_err(), "{pointer}");
	};
	refused("/version", json!(2));
	refused("/title", json!(""));
	refused("/title", json!("a\nb"));
	refused("/title", json!("x".repeat(129)));
	refused("/items", json!([]));
	refused("/items/0/quantity", json!("01"));
	refused("/items/0/quantity", json!(1));
	refused("/items/0/unit", json!("a b"));
	refused("/items/0/description", json!("x".repeat(513)));
	refused("/delivery", json!([]));
	refused("/delivery/0/how", json!(""));
	refused("/sla/successPpm", json!(1_000_001));
	refused("/penalties/0/when", json!("rain"));
	refused("/penalties/0/sharePpm", json!(0));
	for pointer in ["", "/items/0", "/delivery/0", "/sla", "/penalties/0"] {
		let mut members = good.pointer(pointer).unwrap().clone();
		members["more"] = json!(1);
		refused(pointer, members);
	}
}
