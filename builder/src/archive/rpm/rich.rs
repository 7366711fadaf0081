//! Rich dependencies (rpm.org, "Boolean Dependencies"): `(a or b >= 2)`, `(a if b else c)`.

use std::iter::Peekable;
use std::str::CharIndices;

use super::relation::{Capability, parse_capability};

/// Expressions within expressions. rpm itself sets no limit; people write two or three.
const DEEPEST: usize = 32;
/// Clauses of one expression. `(a and b) or (c and d) or ...` doubles them with each part.
const MOST_CLAUSES: usize = 256;

/// A rich dependency, or one of its operands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rich {
    /// A capability.
    Capability(Capability),
    /// Two operands: `a or b`.
    Operation(Operator, Box<Rich>, Box<Rich>),
    /// `a if b else c`, `a unless b else c`.
    Choice(Operator, Box<Rich>, Box<Rich>, Box<Rich>),
}

/// What joins two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// Both.
    And,
    /// At least one.
    Or,
    /// The first, if the second is there.
    If,
    /// The first, and not the second.
    Unless,
    /// One package that is both.
    With,
    /// One package that is the first and not the second.
    Without,
}

/// Statements, each of which must hold: at least one of its literals does.
pub(super) type Clauses<A> = Vec<Vec<Literal<A>>>;

/// What a clause says of one set of packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal<A> {
    /// The packages.
    pub(super) set: A,
    /// At least one of them is there; else none is.
    pub(super) present: bool,
}

/// What an operand stands for, when capabilities stand for sets of packages.
pub(super) trait Sets {
    /// A set of packages.
    type Set: Clone + PartialEq;

    /// The packages that provide a capability.
    fn of(&self, capability: &Capability) -> Self::Set;
    /// Packages of either set.
    fn union(&self, a: Self::Set, b: Self::Set) -> Self::Set;
    /// Packages of both sets.
    fn with(&self, a: Self::Set, b: Self::Set) -> Self::Set;
    /// Packages of the first set alone.
    fn without(&self, a: Self::Set, b: Self::Set) -> Self::Set;
}

impl Rich {
    /// Reads an expression, with its outer parentheses.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            text,
            rest: text.char_indices().peekable(),
        };
        let parsed = parser.parenthesised(0);
        let trailing = parser.rest.next().is_some();
        match parsed {
            Ok(rich) if !trailing => Ok(rich),
            Ok(_) => Err(format!("{text}: text follows its last parenthesis")),
            Err(problem) => Err(format!("{text}: {problem}")),
        }
    }

    /// The capabilities that it names.
    pub(super) fn capabilities(&self) -> Vec<&Capability> {
        match self {
            Self::Capability(capability) => vec![capability],
            Self::Operation(_, a, b) => [a.capabilities(), b.capabilities()].concat(),
            Self::Choice(_, a, b, c) => {
                [a.capabilities(), b.capabilities(), c.capabilities()].concat()
            }
        }
    }

    /// The clauses of the expression (`holds`), or of its contrary.
    pub(super) fn clauses<S: Sets>(
        &self,
        sets: &S,
        holds: bool,
    ) -> Result<Clauses<S::Set>, String> {
        let (both, either) = (conjunction, disjunction);
        let join = if holds { both } else { either };
        let meet = if holds { either } else { both };
        match self {
            Self::Capability(_) | Self::Operation(Operator::With | Operator::Without, ..) => {
                Ok(vec![vec![Literal {
                    set: self.set(sets)?,
                    present: holds,
                }]])
            }
            Self::Operation(operator, a, b) => {
                let second = !matches!(operator, Operator::If | Operator::Unless);
                let a = a.clauses(sets, holds)?;
                let b = b.clauses(sets, holds == second)?;
                match operator {
                    Operator::And | Operator::Unless => join(a, b),
                    _ => meet(a, b),
                }
            }
            // (a or not b) and (c or b); (a and not b) or (c and b).
            Self::Choice(operator, a, b, c) => {
                let (a, c) = (a.clauses(sets, holds)?, c.clauses(sets, holds)?);
                let (with, without) = (b.clauses(sets, holds)?, b.clauses(sets, !holds)?);
                match operator {
                    Operator::If => join(meet(a, without)?, meet(c, with)?),
                    _ => meet(join(a, without)?, join(c, with)?),
                }
            }
        }
    }

    fn set<S: Sets>(&self, sets: &S) -> Result<S::Set, String> {
        let (operator, a, b) = match self {
            Self::Capability(capability) => return Ok(sets.of(capability)),
            Self::Operation(operator, a, b) => (operator, a, b),
            Self::Choice(operator, a, b, _) => (operator, a, b),
        };
        let join = match operator {
            Operator::Or => S::union,
            Operator::With => S::with,
            Operator::Without => S::without,
            Operator::And | Operator::If | Operator::Unless => {
                return Err(
                    "with and without join only capabilities, or, with and without".to_owned(),
                );
            }
        };
        Ok(join(sets, a.set(sets)?, b.set(sets)?))
    }
}

fn conjunction<A: Clone + PartialEq>(
    mut a: Clauses<A>,
    b: Clauses<A>,
) -> Result<Clauses<A>, String> {
    a.extend(b);
    bounded(a)
}

fn disjunction<A: Clone + PartialEq>(a: Clauses<A>, b: Clauses<A>) -> Result<Clauses<A>, String> {
    if a.len().saturating_mul(b.len()) > MOST_CLAUSES {
        return too_many();
    }
    let joined = a.iter().flat_map(|first| {
        b.iter().map(move |second| {
            let mut clause = first.clone();
            let new = second.iter().filter(|literal| !first.contains(literal));
            clause.extend(new.cloned());
            clause
        })
    });
    // What says "b, or not b" always holds.
    let says_something = |clause: &Vec<Literal<A>>| {
        let contrary = |a: &Literal<A>, b: &Literal<A>| a.set == b.set && a.present != b.present;
        !clause.iter().any(|a| clause.iter().any(|b| contrary(a, b)))
    };
    Ok(joined.filter(says_something).collect())
}

fn bounded<A>(clauses: Clauses<A>) -> Result<Clauses<A>, String> {
    match clauses.len() {
        0..=MOST_CLAUSES => Ok(clauses),
        _ => too_many(),
    }
}

fn too_many<A>() -> Result<A, String> {
    Err(format!(
        "it takes more than {MOST_CLAUSES} clauses to say as a conjunction"
    ))
}

struct Parser<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
}

impl<'a> Parser<'a> {
    fn parenthesised(&mut self, depth: usize) -> Result<Rich, String> {
        if depth > DEEPEST {
            return Err(format!(
                "expressions within expressions, over {DEEPEST} deep"
            ));
        }
        self.next_is('(')
            .then_some(())
            .ok_or("expected an opening parenthesis")?;
        let mut left = self.operand(depth)?;
        let mut before = None;
        while !self.next_is(')') {
            let word = self.until_space();
            let operator = Operator::parse(word).ok_or_else(|| match word {
                "" => "a parenthesis is not closed".to_owned(),
                word => format!("{word:?} is no operator"),
            })?;
            let chains = matches!(operator, Operator::And | Operator::Or | Operator::With);
            if before.is_some_and(|before| before != operator || !chains) {
                return Err("only and, or and with chain, and each with itself".to_owned());
            }
            before = Some(operator);
            let right = self.operand(depth)?;
            left = match operator {
                Operator::If | Operator::Unless if self.next_is_else() => {
                    let otherwise = self.operand(depth)?;
                    let [a, b, c] = [left, right, otherwise].map(Box::new);
                    Rich::Choice(operator, a, b, c)
                }
                _ => Rich::Operation(operator, Box::new(left), Box::new(right)),
            };
        }
        Ok(left)
    }

    fn operand(&mut self, depth: usize) -> Result<Rich, String> {
        self.skip_space();
        if matches!(self.rest.peek(), Some((_, '('))) {
            return self.parenthesised(depth + 1);
        }
        let mut text = self.until_space().to_owned();
        // A version follows its comparison.
        self.skip_space();
        if matches!(self.rest.peek(), Some((_, '<' | '=' | '>'))) {
            for _ in 0..2 {
                text += " ";
                text += self.until_space();
            }
        }
        let capability = parse_capability(&text);
        let capability = capability.ok_or_else(|| format!("{text:?} is no capability"))?;
        Ok(Rich::Capability(capability))
    }

    /// The word up to a space, or to a parenthesis that closes what the word did not open.
    fn until_space(&mut self) -> &'a str {
        self.skip_space();
        let position = |rest: &mut Peekable<CharIndices<'_>>, end: usize| {
            rest.peek().map_or(end, |(at, _)| *at)
        };
        let start = position(&mut self.rest, self.text.len());
        let mut open = 0_usize;
        while let Some((_, character)) = self.rest.peek() {
            match character {
                ' ' | '\t' => break,
                ')' if open == 0 => break,
                ')' => open -= 1,
                '(' => open += 1,
                _ => {}
            }
            self.rest.next();
        }
        let end = position(&mut self.rest, self.text.len());
        &self.text[start..end]
    }

    fn skip_space(&mut self) {
        while self
            .rest
            .next_if(|(_, c)| matches!(c, ' ' | '\t'))
            .is_some()
        {}
    }

    fn next_is(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.rest.next_if(|(_, found)| *found == wanted).is_some()
    }

    fn next_is_else(&mut self) -> bool {
        let before = self.rest.clone();
        let found = self.until_space() == "else";
        if !found {
            self.rest = before;
        }
        found
    }
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "and" => Self::And,
            "or" => Self::Or,
            "if" => Self::If,
            "unless" => Self::Unless,
            "with" => Self::With,
            "without" => Self::Without,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets of letters: a capability is provided by the packages that its name spells.
    struct Letters;

    impl Sets for Letters {
        type Set = Vec<char>;

        fn of(&self, capability: &Capability) -> Vec<char> {
            capability.name.chars().collect()
        }

        fn union(&self, a: Vec<char>, b: Vec<char>) -> Vec<char> {
            [a, b].concat()
        }

        fn with(&self, a: Vec<char>, b: Vec<char>) -> Vec<char> {
            a.into_iter().filter(|one| b.contains(one)).collect()
        }

        fn without(&self, a: Vec<char>, b: Vec<char>) -> Vec<char> {
            a.into_iter().filter(|one| !b.contains(one)).collect()
        }
    }

    /// Clauses as text: `ab -c` says a or b is there, or c is not.
    fn clauses(text: &str, holds: bool) -> Vec<String> {
        let clauses = Rich::parse(text).unwrap().clauses(&Letters, holds);
        let shown = |literal: &Literal<Vec<char>>| {
            let sign = if literal.present { "" } else { "-" };
            format!("{sign}{}", literal.set.iter().collect::<String>())
        };
        let clause = |clause: &Vec<_>| clause.iter().map(shown).collect::<Vec<_>>().join(" ");
        clauses.unwrap().iter().map(clause).collect()
    }

    #[test]
    fn expressions_become_clauses() {
        for (text, expected, contrary) in [
            ("(a or b or c)", &["a b c"][..], &["-a", "-b", "-c"][..]),
            ("(a and b)", &["a", "b"], &["-a -b"]),
            ("(a if b)", &["a -b"], &["-a", "b"]),
            (
                "(a if b else c)",
                &["a -b", "c b"],
                &["-a -c", "-a -b", "b -c"],
            ),
            ("(a unless b)", &["a", "-b"], &["-a b"]),
            ("(ab with bc)", &["b"], &["-b"]),
            ("(ab without bc)", &["a"], &["-a"]),
            ("((a or b) with bc)", &["b"], &["-b"]),
            ("((a and b) or c)", &["a c", "b c"], &["-a -b", "-c"]),
            (
                "(a >= 1-1  or b(x)(y))",
                &["a b(x)(y)"],
                &["-a", "-b(x)(y)"],
            ),
            ("(a if (b or c))", &["a -b", "a -c"], &["-a", "b c"]),
        ] {
            assert_eq!(clauses(text, true), expected, "{text}");
            let mut found = clauses(text, false);
            let mut contrary: Vec<_> = contrary.iter().map(|&clause| clause.to_owned()).collect();
            found.sort();
            contrary.sort();
            assert_eq!(found, contrary, "not {text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_named_whole() {
        for (text, problem) in [
            ("(a or b", "a parenthesis is not closed"),
            ("(a or b) c", "text follows its last parenthesis"),
            ("(a xor b)", "\"xor\" is no operator"),
            (
                "(a or b and c)",
                "only and, or and with chain, and each with itself",
            ),
            (
                "(a if b if c)",
                "only and, or and with chain, and each with itself",
            ),
            ("(a >= )", "\"a >= \" is no capability"),
            ("(a or )", "\"\" is no capability"),
        ] {
            let error = Rich::parse(text).unwrap_err();
            assert_eq!(error, format!("{text}: {problem}"));
        }
        let deep = format!("{}a{}", "(".repeat(40), ")".repeat(40));
        let error = Rich::parse(&deep).unwrap_err();
        assert!(
            error.ends_with("expressions within expressions, over 32 deep"),
            "{error}"
        );
    }

    #[test]
    fn expressions_that_explode_or_mix_are_refused() {
        let parts: Vec<String> = (0..9)
            .map(|number| format!("(a{number} and b{number})"))
            .collect();
        let rich = Rich::parse(&format!("({})", parts.join(" or "))).unwrap();
        assert_eq!(
            rich.clauses(&Letters, true).unwrap_err(),
            "it takes more than 256 clauses to say as a conjunction"
        );
        assert_eq!(rich.clauses(&Letters, false).unwrap().len(), 9);
        let rich = Rich::parse("((a and b) with c)").unwrap();
        assert_eq!(
            rich.clauses(&Letters, true).unwrap_err(),
            "with and without join only capabilities, or, with and without"
        );
    }
}
