//! [`ByteValues`]: values of varying length, end to end.

use std::mem;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

/// Values of varying length, end to end, with the offset at which each begins.
pub(crate) struct ByteValues {
    offsets: Vec<i32>,
    data: Vec<u8>,
}

impl ByteValues {
    pub(super) fn new() -> Self {
        Self { offsets: vec![0], data: Vec::new() }
    }

    /// Appends a value.
    #[inline]
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
        self.end_value();
    }

    /// Appends the value that `write` appends to the data.
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.data);
        self.end_value();
    }

    #[inline]
    fn end_value(&mut self) {
        self.offsets.push(offset(self.data.len()));
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.offsets.truncate(len + 1);
        self.data.truncate(self.offsets[len] as usize);
    }

    pub(super) fn finish_text(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let (offsets, data) = self.take();
        Arc::new(StringArray::try_new(offsets, data, nulls).expect("only valid UTF-8 is appended"))
    }

    pub(super) fn finish_binary(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let (offsets, data) = self.take();
        Arc::new(BinaryArray::try_new(offsets, data, nulls).expect("there is an offset for each value"))
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        // The next batch is about as large as this one.
        let fresh = Vec::with_capacity(self.data.len());
        let data = mem::replace(&mut self.data, fresh);
        (take_offsets(&mut self.offsets), Buffer::from_vec(data))
    }
}

/// The end of a value as Arrow counts it.
#[inline]
pub(super) fn offset(len: usize) -> i32 {
    i32::try_from(len).expect("a column of one batch holds less than 2 GiB")
}

/// Takes the offsets and leaves those of no values.
pub(super) fn take_offsets(offsets: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let mut fresh = Vec::with_capacity(offsets.len());
    fresh.push(0);
    OffsetBuffer::new(ScalarBuffer::from(mem::replace(offsets, fresh)))
}
