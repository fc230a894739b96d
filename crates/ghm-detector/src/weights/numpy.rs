//! Arrays of numpy in a pickle, as Detectron's and Detectron2's model zoos keep weights (`.pkl`). Nothing that a pickle names is run.

use std::collections::HashMap;

/// Values that a pickle may make; the published ones make some ten thousand.
const MOST_VALUES: usize = 1_000_000;

/// Bytes that all arrays together may have for each byte of the pickle: one may be named twice.
const MOST_CLAIMED: usize = 2;

/// How deep dictionaries are looked through for arrays.
const DEEPEST: usize = 4;

/// Functions that say what bytes mean, under the names of numpy's versions.
const ARRAY: [&str; 2] = ["numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"];
const FROM_BUFFER: [&str; 2] = ["numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"];
const DTYPE: &str = "numpy.dtype";
const ENCODE: &str = "_codecs.encode";
const ORDERED: &str = "collections.OrderedDict";

/// An array in C order.
#[derive(Debug, PartialEq)]
pub(super) struct Array {
    pub shape: Vec<usize>,
    /// As numpy writes it, `<f4` say.
    pub dtype: String,
    pub bytes: Vec<u8>,
}

/// All arrays, named by their keys joined with dots.
///
/// # Errors
/// What is wrong, in words: a pickle that ends or cannot be followed, an array whose bytes do not fill its shape.
pub(super) fn arrays(pickle: &[u8]) -> Result<Vec<(String, Array)>, String> {
    let mut machine =
        Machine { rest: pickle, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), values: Vec::new() };
    let root = machine.run()?;
    let mut found = Found { arrays: Vec::new(), left: MOST_CLAIMED.saturating_mul(pickle.len()) };
    machine.collect(root, String::new(), DEEPEST, &mut found)?;
    Ok(found.arrays)
}

/// Arrays found, and how many more bytes they may have.
struct Found {
    arrays: Vec<(String, Array)>,
    left: usize,
}

/// Where a value lies among all.
type Id = usize;

/// A value of a pickle, as far as arrays need it.
enum Value<'a> {
    Text(String),
    Bytes(&'a [u8]),
    Encoded(Vec<u8>),
    Number(i64),
    Many(Vec<Id>),
    Dictionary(Vec<(Id, Id)>),
    Name(String),
    Dtype {
        code: String,
        order: String,
    },
    Array(Option<Parts>),
    /// What no array needs.
    Other,
}

/// Of what an array is made.
#[derive(Clone, Copy)]
struct Parts {
    shape: Id,
    dtype: Id,
    /// 1, or `F`, where columns are what lies together.
    order: Id,
    bytes: Id,
}

/// Python's machine for pickles without what could run anything.
struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
    values: Vec<Value<'a>>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let code = self.take(1)?[0];
            if code == b'.' {
                return self.pop();
            }
            self.step(code)?;
        }
    }

    /// One instruction, by the letter that `pickletools` gives it.
    fn step(&mut self, code: u8) -> Result<(), String> {
        match code {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'N' | 0x89 => self.push(Value::Other)?,
            0x88 => self.push(Value::Number(1))?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Other)?;
            }
            b'K' | b'M' | b'J' | 0x8a => {
                let number = self.number(code)?;
                self.push(Value::Number(number))?;
            }
            b'X' | 0x8c | 0x8d => {
                let bytes = self.counted(match code {
                    b'X' => 4,
                    0x8c => 1,
                    _ => 8,
                })?;
                let text = std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8".to_owned())?;
                self.push(Value::Text(text.to_owned()))?;
            }
            b'T' | b'U' | b'B' | b'C' | 0x8e | 0x96 => {
                let bytes = self.counted(match code {
                    b'T' | b'B' => 4,
                    b'U' | b'C' => 1,
                    _ => 8,
                })?;
                self.push(Value::Bytes(bytes))?;
            }
            b'c' => {
                let name = format!("{}.{}", self.line()?, self.line()?);
                self.push(Value::Name(name))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let name = format!("{}.{}", self.text(module), self.text(name));
                self.push(Value::Name(name))?;
            }
            _ => self.gather(code)?,
        }
        Ok(())
    }

    /// The instructions that make values of values.
    fn gather(&mut self, code: u8) -> Result<(), String> {
        match code {
            b'}' => self.push(Value::Dictionary(Vec::new()))?,
            b']' | b')' => self.push(Value::Many(Vec::new()))?,
            b't' | b'l' => {
                let items = self.since_mark()?;
                self.push(Value::Many(items))?;
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let from = self.stack.len().checked_sub(count).ok_or_else(ends)?;
                let items = self.stack.split_off(from);
                self.push(Value::Many(items))?;
            }
            b's' | b'u' => {
                let items = if code == b'u' {
                    self.since_mark()?
                } else {
                    let from = self.stack.len().checked_sub(2).ok_or_else(ends)?;
                    self.stack.split_off(from)
                };
                let onto = self.top()?;
                if let Value::Dictionary(entries) = &mut self.values[onto] {
                    entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                }
            }
            b'a' | b'e' => {
                let items = if code == b'e' { self.since_mark()? } else { vec![self.pop()?] };
                let onto = self.top()?;
                if let Value::Many(many) = &mut self.values[onto] {
                    many.extend(items);
                }
            }
            b'q' | b'r' | 0x94 => {
                let place = match code {
                    b'q' => self.length(1)?,
                    b'r' => self.length(4)?,
                    _ => self.memo.len(),
                };
                let top = self.top()?;
                self.memo.insert(place, top);
            }
            b'h' | b'j' => {
                let place = self.length(if code == b'h' { 1 } else { 4 })?;
                let id = *self.memo.get(&place).ok_or_else(|| format!("it refers to {place}, which is not there"))?;
                self.stack.push(id);
            }
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            // Python's protocols 2 to 4 have more, which neither dictionaries nor arrays are made with.
            other => return Err(format!("an instruction 0x{other:02x} that no pickle of arrays has")),
        }
        Ok(())
    }

    /// A call, of the few functions that are known for what they give.
    fn reduce(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Name(function) = &self.values[function] else { return self.push(Value::Other) };
        let function = function.clone();
        let arguments = match &self.values[arguments] {
            Value::Many(many) => many.clone(),
            _ => Vec::new(),
        };
        let first = arguments.first().map(|id| self.text(*id)).unwrap_or_default();
        let value = match function.as_str() {
            array if ARRAY.contains(&array) => Value::Array(None),
            buffer if FROM_BUFFER.contains(&buffer) => match arguments[..] {
                [bytes, dtype, shape, order] => Value::Array(Some(Parts { shape, dtype, order, bytes })),
                _ => Value::Other,
            },
            DTYPE => Value::Dtype { code: first, order: "|".to_owned() },
            // How Python 3 writes bytes for Python 2: as text, a character a byte.
            ENCODE => Value::Encoded(first.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()),
            ORDERED => Value::Dictionary(Vec::new()),
            _ => Value::Other,
        };
        self.push(value)
    }

    /// The state of what was called.
    fn build(&mut self) -> Result<(), String> {
        let (state, onto) = (self.pop()?, self.top()?);
        let Value::Many(state) = &self.values[state] else { return Ok(()) };
        let second = state.get(1).map(|id| self.text(*id));
        // After a version, where the array has one.
        let parts = match state[..] {
            [_, shape, dtype, order, bytes] | [shape, dtype, order, bytes] => {
                Some(Parts { shape, dtype, order, bytes })
            }
            _ => None,
        };
        match &mut self.values[onto] {
            Value::Array(of) => *of = parts,
            Value::Dtype { order, .. } => *order = second.unwrap_or_default(),
            _ => {}
        }
        Ok(())
    }

    fn collect(&self, id: Id, name: String, deepest: usize, found: &mut Found) -> Result<(), String> {
        match &self.values[id] {
            Value::Dictionary(entries) if deepest > 0 => entries.iter().try_for_each(|(key, value)| {
                let key = self.text(*key);
                let name = if name.is_empty() { key } else { format!("{name}.{key}") };
                self.collect(*value, name, deepest - 1, found)
            }),
            Value::Array(Some(parts)) => {
                let array = self.array(*parts).map_err(|reason| format!("array {name}: {reason}"))?;
                // A name costs as much as it is long, for a shared dictionary can be under any number of them.
                let cost = array.bytes.len() + name.len();
                found.left = found.left.checked_sub(cost).ok_or("its arrays claim more than twice the file's bytes")?;
                found.arrays.push((name, array));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn array(&self, parts: Parts) -> Result<Array, String> {
        let strange = || "its parts are not those of an array".to_owned();
        let (Value::Many(shape), Value::Dtype { code, order }) = (&self.values[parts.shape], &self.values[parts.dtype])
        else {
            return Err(strange());
        };
        if matches!(self.values[parts.order], Value::Number(1)) || self.text(parts.order) == "F" {
            return Err("it lies column by column: numpy.ascontiguousarray lays it by rows".to_owned());
        }
        let side = |id: &Id| match &self.values[*id] {
            Value::Number(side) => usize::try_from(*side).map_err(|_| strange()),
            _ => Err(strange()),
        };
        let shape: Vec<usize> = shape.iter().map(side).collect::<Result<_, _>>()?;
        let bytes = match &self.values[parts.bytes] {
            Value::Bytes(bytes) => *bytes,
            Value::Encoded(bytes) => bytes,
            _ => return Err("its bytes are not in the file".to_owned()),
        };
        let width = code.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap_or(0);
        let claimed = shape.iter().try_fold(width, |product, side| product.checked_mul(*side));
        if width > 0 && claimed != Some(bytes.len()) {
            return Err(format!("its shape {shape:?} of {code} does not take its {} bytes", bytes.len()));
        }
        Ok(Array { shape, dtype: format!("{order}{code}"), bytes: bytes.to_vec() })
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        if self.values.len() >= MOST_VALUES {
            return Err(format!("it makes more than {MOST_VALUES} values"));
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().ok_or_else(ends)
    }

    fn top(&self) -> Result<Id, String> {
        self.stack.last().copied().ok_or_else(ends)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or_else(ends)?;
        Ok(self.stack.split_off(mark))
    }

    /// A text, or bytes that Python 2 took for one.
    fn text(&self, id: Id) -> String {
        match &self.values[id] {
            Value::Text(text) => text.clone(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(ends)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A little-endian length of so many bytes.
    fn length(&mut self, width: usize) -> Result<usize, String> {
        let bytes = self.take(width)?;
        let value = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        usize::try_from(value).map_err(|_| ends())
    }

    fn counted(&mut self, width: usize) -> Result<&'a [u8], String> {
        let length = self.length(width)?;
        self.take(length)
    }

    fn number(&mut self, code: u8) -> Result<i64, String> {
        let bytes = match code {
            b'K' => return Ok(i64::from(self.take(1)?[0])),
            b'M' => return Ok(self.length(2)? as i64),
            b'J' => self.take(4)?,
            _ => self.counted(1)?,
        };
        if bytes.len() > 8 {
            return Ok(-1);
        }
        let sign = bytes.last().map_or(0, |last| if last & 0x80 == 0 { 0 } else { -1i64 });
        Ok(bytes.iter().rev().fold(sign, |value, byte| value << 8 | i64::from(*byte)))
    }

    /// A text up to the end of its line.
    fn line(&mut self) -> Result<String, String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or_else(ends)?;
        let line = self.take(end + 1)?;
        Ok(String::from_utf8_lossy(&line[..end]).into_owned())
    }
}

fn ends() -> String {
    "its pickle ends too early".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `fixtures/retinanet/generate.py`.
    fn pickle(protocol: &str) -> Vec<u8> {
        let name = format!("../../fixtures/retinanet/arrays_{protocol}.pkl");
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
    }

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn arrays_of_every_protocol_are_read_as_they_were_written() {
        for protocol in ["2", "3", "4", "5"] {
            let found = arrays(&pickle(protocol)).unwrap();
            let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["model.conv1_w", "model.conv1_b", "model.half", "model.steps"], "{protocol}");
            let weight =
                Array { shape: vec![2, 3], dtype: "<f4".into(), bytes: floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 200.5]) };
            assert_eq!(found[0].1, weight, "{protocol}");
            assert_eq!((&found[1].1.shape[..], &found[1].1.dtype[..]), (&[1][..], "<f8"), "{protocol}");
            assert_eq!((&found[2].1.bytes[..], &found[2].1.dtype[..]), (&[0, 0x38][..], "<f2"), "{protocol}");
            assert_eq!(found[3].1.dtype, "<i8", "{protocol}");
        }
    }

    #[test]
    fn texts_of_python_2_are_bytes_and_texts() {
        // {'a_w': array([1.5], dtype=float32)}, with the instructions of Python 2.
        let mut bytes = b"\x80\x02}U\x03a_wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04".to_vec();
        bytes.extend(1.5f32.to_le_bytes());
        bytes.extend(b"tbs.");
        let expected = Array { shape: vec![1], dtype: "<f4".into(), bytes: floats(&[1.5]) };
        assert_eq!(arrays(&bytes).unwrap(), [("a_w".to_owned(), expected)]);
    }

    #[test]
    fn a_pickle_that_is_cut_or_lies_is_refused_and_nothing_in_it_is_run() {
        let whole = pickle("4");
        for length in 0..whole.len() {
            assert!(arrays(&whole[..length]).is_err(), "{length} bytes");
        }
        let lie = |from: &[u8], to: &[u8]| {
            let at = whole.windows(from.len()).position(|window| window == from).unwrap();
            let mut bytes = whole.clone();
            bytes[at..at + to.len()].copy_from_slice(to);
            arrays(&bytes).map(drop).unwrap_err()
        };
        // K 2 K 3: the first shape.
        assert!(lie(b"K\x02K\x03", b"K\x7fK\x03").contains("array model.conv1_w: its shape [127, 3] of f4"));
        assert!(arrays(b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.").unwrap().is_empty());
        let many = [&b"\x80\x02"[..], &vec![b'N'; MOST_VALUES + 1], b"."].concat();
        assert!(arrays(&many).unwrap_err().contains("more than"));
        // One array under a thousand names.
        let mut shared = b"\x80\x02}(X\x01\0\0\0acnumpy.core.multiarray\n_reconstruct\n)R(K\x01K\x64\x85cnumpy\ndtype\nU\x02f4\x85R(K\x03U\x01<tb\x89T\x90\x01\0\0".to_vec();
        shared.extend([0; 400]);
        shared.extend(b"tbq\x01");
        for name in 0..1000u32 {
            shared.extend([b"X\x04\0\0\0", format!("{name:04}").as_bytes(), b"h\x01"].concat());
        }
        shared.extend(b"u.");
        assert!(arrays(&shared).unwrap_err().contains("twice"));
        assert!(arrays(b"\x80\x02h\x07.").unwrap_err().contains("refers to 7"));
        assert!(arrays(b"\x80\x02}b.").is_err());
    }

    #[test]
    fn an_array_that_lies_by_columns_is_refused_with_the_way_out() {
        assert!(arrays(&pickle("columns")).unwrap_err().contains("ascontiguousarray"));
    }
}
