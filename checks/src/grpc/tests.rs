use super::*;

#[test]
fn messages() {
    assert_eq!(&question("")[..], [0, 0, 0, 0, 0]);
    assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0A, 2, b'a', b'b']);
    let long = question(&"x".repeat(300));
    assert_eq!(&long[..8], [0, 0, 0, 1, 0x2F, 0x0A, 0xAC, 0x02]);
    for (framed, expect) in [
        (&[0, 0, 0, 0, 0][..], Some(0)),
        (&[0, 0, 0, 0, 2, 8, 1], Some(1)),
        (&[0, 0, 0, 0, 2, 8, 2], Some(2)),
        (&[0, 0, 0, 0, 6, 0x12, 2, 9, 9, 8, 1], Some(1)),
        (&[1, 0, 0, 0, 2, 8, 1], None),
        (&[0, 0, 0, 0, 3, 8, 1], None),
        (&[0, 0, 0, 0, 1, 8], None),
        (&[0, 0, 0, 0, 3, 0x12, 200, 1], None),
        (&[0, 0], None),
        (&[], None),
        (&[0, 0, 0, 0, 11, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], None),
    ] {
        assert_eq!(serving_status(framed), expect, "{framed:?}");
    }
    assert_eq!(percent_decoded(b"a%20b%zz%4"), "a b%zz%4");
}
