//! [`Skipper`]: reads and checks values that no column takes.

use super::cursor::{Block, Cursor, Malformed};
use super::writer::{Node, NodeId, WriterSchema};

/// Reads values without recursion: a writer's type may contain itself, and data may be as deep as it
/// is long.
#[derive(Default)]
pub(super) struct Skipper {
    open: Vec<Open>,
}

/// A value that has been entered and not left.
enum Open {
    Record {
        id: NodeId,
        next: usize,
    },
    /// An array, or with keys a map, in the middle of a block; `left` items of it are to come.
    Items {
        item: NodeId,
        keyed: bool,
        block: Block,
        left: usize,
    },
}

/// Before the first block.
const NO_BLOCK: Block = Block { count: 0, end: None };

impl Skipper {
    /// Reads a value of the type.
    pub(super) fn skip(
        &mut self,
        writer: &WriterSchema,
        id: NodeId,
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Malformed> {
        self.open.clear();
        self.enter(writer, id, cursor)?;
        while let Some(open) = self.open.last_mut() {
            let next = match open {
                Open::Record { id, next } => match writer.node(*id) {
                    Node::Record(fields) => fields.get(*next).map(|(_, field)| {
                        *next += 1;
                        *field
                    }),
                    _ => None,
                },
                Open::Items { item, keyed, block, left } => {
                    next_item(writer.minimum(*item), *keyed, block, left, cursor)?.then_some(*item)
                }
            };
            match next {
                Some(id) => self.enter(writer, id, cursor)?,
                None => {
                    self.open.pop();
                }
            }
        }
        Ok(())
    }

    /// Reads a scalar, or the beginning of anything else.
    fn enter(
        &mut self,
        writer: &WriterSchema,
        mut id: NodeId,
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Malformed> {
        // Also ends the types that go on for ever without a byte.
        if writer.minimum(id) > cursor.remaining() {
            return cursor.malformed("the data ends within a value");
        }
        while let Node::Union(branches) = writer.node(id) {
            id = branches[cursor.branch(branches.len())?];
            if writer.minimum(id) > cursor.remaining() {
                return cursor.malformed("the data ends within a value");
            }
        }
        match writer.node(id) {
            Node::Null | Node::Union(_) => {}
            Node::Boolean => {
                cursor.boolean()?;
            }
            Node::Int => {
                cursor.int()?;
            }
            Node::Long(_) => {
                cursor.long()?;
            }
            Node::Float => {
                cursor.bytes(4)?;
            }
            Node::Double => {
                cursor.bytes(8)?;
            }
            Node::Bytes(_) => {
                cursor.sized_bytes()?;
            }
            Node::Text => {
                cursor.text()?;
            }
            Node::Fixed(fixed, _) => {
                cursor.bytes(fixed.size)?;
            }
            Node::Enum(symbols) => {
                cursor.symbol(symbols.len())?;
            }
            Node::Array(item) => {
                self.open.push(Open::Items { item: *item, keyed: false, block: NO_BLOCK, left: 0 });
            }
            Node::Map(item) => {
                self.open.push(Open::Items { item: *item, keyed: true, block: NO_BLOCK, left: 0 });
            }
            Node::Record(_) => self.open.push(Open::Record { id, next: 0 }),
        }
        Ok(())
    }
}

/// Reads what stands before the next item: the head of a block, a key. False after the last item.
fn next_item(
    minimum: usize,
    keyed: bool,
    block: &mut Block,
    left: &mut usize,
    cursor: &mut Cursor<'_>,
) -> Result<bool, Malformed> {
    if *left == 0 {
        cursor.end_block(*block)?;
        let Some(next) = cursor.block(minimum.saturating_add(usize::from(keyed)))? else { return Ok(false) };
        *block = next;
        *left = next.count;
        // Items without bytes have nothing to read.
        if minimum == 0 && !keyed {
            *left = 1;
        }
    }
    *left -= 1;
    if keyed {
        cursor.text()?;
    }
    Ok(true)
}
