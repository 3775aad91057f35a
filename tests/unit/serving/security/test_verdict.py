import pytest

from predictor.serving.security.verdict import address_of, is_principal


@pytest.mark.parametrize("name", ["alice", "system:serviceaccount:a:b", "Ümit Ö", "a b", "a" * 256])
def test_a_short_name_on_one_line_is_a_principal(name: str) -> None:
    assert is_principal(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " a",
        "a ",
        "a" * 257,
        "a\nb",
        "a\rb",
        "a\x1b[2J",
        "a\x00",
        "a\x7f",
        "a\u2028b",
        "a\u202eb",
    ],
)
def test_what_could_forge_a_line_is_none(name: str) -> None:
    assert not is_principal(name)


@pytest.mark.parametrize(
    ("host", "principal"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense\n", "unknown"),
    ],
)
def test_an_address_is_a_principal_and_of_ipv6_its_network(host: str, principal: str) -> None:
    assert address_of(host) == principal
