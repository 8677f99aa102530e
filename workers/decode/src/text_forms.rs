//! Values that travel as text: uuids.

const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Whether the text is 8-4-4-4-12 hexadecimal digits.
pub(crate) fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(index, byte)| {
            if UUID_HYPHENS.contains(&index) { *byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
}

/// The text of a uuid's 16 bytes, in lower case.
pub(crate) fn uuid_text(bytes: &[u8; 16]) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let places = (0..text.len()).filter(|index| !UUID_HYPHENS.contains(index));
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (place, nibble) in places.zip(nibbles) {
        text[place] = DIGITS[usize::from(nibble)];
    }
    text
}
