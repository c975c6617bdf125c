//! From words to a tree: recursive descent, with a bound on length and depth.

use std::fmt;

use serde_json::Value;

use super::token::{Token, Word, tokens};
use super::{Function, Node, Operator};

/// An expression is at most this long.
pub const EXPRESSION_BYTES_MAX: usize = 4_096;
/// Brackets within brackets at most.
const DEPTH_MAX: usize = 32;
/// Words at most: a path nests as deep as it has steps.
const WORDS_MAX: usize = 1_024;

/// What could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    /// Bytes from the beginning.
    pub at: usize,
    /// What would have been understood there.
    pub expected: &'static str,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FHIRPath: at byte {} expected {}", self.at, self.expected)
    }
}

impl std::error::Error for ExpressionError {}

pub(super) fn parse(text: &str) -> Result<Node, ExpressionError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(ExpressionError { at: EXPRESSION_BYTES_MAX, expected: "an end: the expression is too long" });
    }
    let tokens = tokens(text)?;
    if let Some(excess) = tokens.get(WORDS_MAX) {
        return Err(ExpressionError { at: excess.at, expected: "an end: the expression has too many words" });
    }
    let mut parser = Parser { tokens, next: 0, end: text.len(), depth: 0 };
    let node = parser.expression()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.expected("an operator or the end")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn expression(&mut self) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.expected("fewer brackets within brackets"));
        }
        let mut left = self.conjunction()?;
        while self.take_name("or") {
            left = binary(left, Operator::Or, self.conjunction()?);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Node, ExpressionError> {
        let mut left = self.comparison()?;
        while self.take_name("and") {
            left = binary(left, Operator::And, self.comparison()?);
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Node, ExpressionError> {
        let left = self.union()?;
        if self.take_sign("=") {
            return Ok(binary(left, Operator::Equal, self.union()?));
        }
        if self.take_sign("!=") {
            return Ok(binary(left, Operator::Unequal, self.union()?));
        }
        Ok(left)
    }

    fn union(&mut self) -> Result<Node, ExpressionError> {
        let mut left = self.typed()?;
        while self.take_sign("|") {
            left = binary(left, Operator::Union, self.typed()?);
        }
        Ok(left)
    }

    /// `x is T`, `x as T`.
    fn typed(&mut self) -> Result<Node, ExpressionError> {
        let mut focus = self.path()?;
        loop {
            if self.take_name("is") {
                focus = call(focus, Function::Is(self.type_name()?));
            } else if self.take_name("as") {
                focus = call(focus, Function::OfType(self.type_name()?));
            } else {
                return Ok(focus);
            }
        }
    }

    fn path(&mut self) -> Result<Node, ExpressionError> {
        let mut focus = self.primary()?;
        loop {
            if self.take_sign(".") {
                let name = self.name("an element or function")?;
                focus = self.step(focus, name)?;
            } else if self.take_sign("[") {
                let index = self.index()?;
                self.sign("]", "`]`")?;
                focus = Node::Index(Box::new(focus), index);
            } else {
                return Ok(focus);
            }
        }
    }

    fn primary(&mut self) -> Result<Node, ExpressionError> {
        let Some(word) = self.peek().cloned() else { return Err(self.expected("an expression")) };
        self.next += 1;
        match word {
            Word::Name(name) if name == "true" || name == "false" => Ok(Node::Literal(Value::Bool(name == "true"))),
            Word::Name(name) => self.step(Node::This, name),
            Word::Text(text) => Ok(Node::Literal(Value::String(text))),
            Word::Number(text) => self.number(&text),
            Word::Sign("$this" | "%context") => Ok(Node::This),
            Word::Sign("%resource") => Ok(Node::Resource),
            Word::Sign("(") => {
                let inner = self.expression()?;
                self.sign(")", "`)`")?;
                Ok(inner)
            }
            Word::Sign("{") => self.sign("}", "`}`").map(|()| Node::Nothing),
            Word::Sign(_) => {
                self.next -= 1;
                Err(self.expected("an expression"))
            }
        }
    }

    fn number(&self, text: &str) -> Result<Node, ExpressionError> {
        serde_json::from_str(text).map(Node::Literal).map_err(|_| self.expected("a number"))
    }

    /// A child, or a function if a bracket follows.
    fn step(&mut self, focus: Node, name: String) -> Result<Node, ExpressionError> {
        if !self.take_sign("(") {
            return Ok(Node::Child(Box::new(focus), name));
        }
        let function = self.function(&name)?;
        self.sign(")", "`)`")?;
        Ok(call(focus, function))
    }

    fn function(&mut self, name: &str) -> Result<Function, ExpressionError> {
        Ok(match name {
            "where" => Function::Where(Box::new(self.expression()?)),
            "exists" if self.peek() == Some(&Word::Sign(")")) => Function::Exists(None),
            "exists" => Function::Exists(Some(Box::new(self.expression()?))),
            "empty" => Function::Empty,
            "not" => Function::Not,
            "first" | "single" => Function::First,
            "last" => Function::Last,
            "hasValue" => Function::HasValue,
            "resolve" => Function::Resolve,
            "extension" => Function::Extension(self.text()?),
            "ofType" | "as" => Function::OfType(self.type_name()?),
            "is" => Function::Is(self.type_name()?),
            _ => return Err(self.expected("a function of the supported subset")),
        })
    }

    /// `Patient`, `FHIR.Patient`, `System.String`.
    fn type_name(&mut self) -> Result<String, ExpressionError> {
        let name = self.name("a type")?;
        if matches!(name.as_str(), "FHIR" | "System") && self.take_sign(".") {
            return self.name("a type");
        }
        Ok(name)
    }

    fn index(&mut self) -> Result<usize, ExpressionError> {
        let index = match self.peek() {
            Some(Word::Number(text)) => text.parse().ok(),
            _ => None,
        };
        let index = index.ok_or_else(|| self.expected("an index"))?;
        self.next += 1;
        Ok(index)
    }

    fn text(&mut self) -> Result<String, ExpressionError> {
        let Some(Word::Text(text)) = self.peek().cloned() else { return Err(self.expected("a text in quotes")) };
        self.next += 1;
        Ok(text)
    }

    fn name(&mut self, expected: &'static str) -> Result<String, ExpressionError> {
        let Some(Word::Name(name)) = self.peek().cloned() else { return Err(self.expected(expected)) };
        self.next += 1;
        Ok(name)
    }

    fn sign(&mut self, sign: &str, expected: &'static str) -> Result<(), ExpressionError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let taken = matches!(self.peek(), Some(Word::Sign(found)) if *found == sign);
        self.next += usize::from(taken);
        taken
    }

    fn take_name(&mut self, name: &str) -> bool {
        let taken = matches!(self.peek(), Some(Word::Name(found)) if found == name);
        self.next += usize::from(taken);
        taken
    }

    fn peek(&self) -> Option<&Word> {
        self.tokens.get(self.next).map(|token| &token.word)
    }

    fn expected(&self, expected: &'static str) -> ExpressionError {
        ExpressionError { at: self.tokens.get(self.next).map_or(self.end, |token| token.at), expected }
    }
}

fn binary(left: Node, operator: Operator, right: Node) -> Node {
    Node::Binary(Box::new(left), operator, Box::new(right))
}

fn call(focus: Node, function: Function) -> Node {
    Node::Call(Box::new(focus), function)
}

#[cfg(test)]
mod tests {
    use crate::fhirpath::Expression;
    use crate::{ResourceType, search};

    #[test]
    fn every_search_expression_of_r4_is_read() {
        for resource in ResourceType::all() {
            for parameter in search::parameters(resource).filter(|parameter| !parameter.expression.is_empty()) {
                assert!(parameter.parsed().is_some(), "{resource}.{}", parameter.code);
                for component in &parameter.components {
                    assert!(component.parsed().is_some(), "{resource}.{}", parameter.code);
                }
            }
        }
    }

    fn fault(text: &str) -> String {
        Expression::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_fault_says_where() {
        assert_eq!(fault("a."), "FHIRPath: at byte 2 expected an element or function");
        assert_eq!(fault("a.trace('x')"), "FHIRPath: at byte 8 expected a function of the supported subset");
        assert_eq!(fault("a b"), "FHIRPath: at byte 2 expected an operator or the end");
        assert_eq!(fault("a.where(x='y'"), "FHIRPath: at byte 13 expected `)`");
        assert_eq!(fault("a ~ b"), "FHIRPath: at byte 2 expected a FHIRPath word");
        assert_eq!(fault("'open"), "FHIRPath: at byte 0 expected a FHIRPath word");
        assert_eq!(fault(""), "FHIRPath: at byte 0 expected an expression");
    }

    #[test]
    fn depth_and_length_have_a_bound() {
        assert!(Expression::parse(&"(".repeat(100)).is_err());
        assert!(Expression::parse(&"a.".repeat(2_000)).is_err());
        assert!(Expression::parse(&"a".repeat(5_000)).is_err());
    }

    #[test]
    fn paths_are_the_bare_element_names() {
        let paths = |text: &str| Expression::parse(text).unwrap().paths();
        assert_eq!(paths("participant.actor.where(resolve() is Patient)"), ["participant.actor"]);
        assert_eq!(paths("code | reaction.substance"), ["code", "reaction.substance"]);
        assert_eq!(paths("value.ofType(CodeableConcept).text"), ["value.text"]);
        assert_eq!(paths("entry[0].resource"), ["entry.resource"]);
    }
}
