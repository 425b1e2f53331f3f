"""Which upstream a station gets, and under which path."""

from __future__ import annotations

import pytest

from ocpp_inspect.proxy.routes import RouteError, Routes, parse_route, parse_upstream


def test_patterns_of_stations_and_paths_win_over_the_upstream_for_all() -> None:
    routes = Routes(
        [
            parse_route(each)
            for each in ("ws://rest", "CP1*=wss://one", "/tenant/=ws://two:81/x", "/*/beta/*=ws://three")
        ]
    )

    def host(station: str, path: str) -> str:
        found = routes.find(station, path)
        assert found is not None
        return found.host

    assert host("CP12", "/ocpp/CP12") == "one"
    assert host("X", "/tenant/X?a=b") == "two"
    assert host("X", "/a/beta/X") == "three"
    assert host("X", "/tenantry/X") == "rest"
    assert Routes([parse_route("CP1=ws://one")]).find("CP2", "/CP2") is None


def test_the_path_of_the_upstream_is_put_in_front_once() -> None:
    upstream = parse_upstream("wss://csms.example/ocpp/")
    assert upstream.target("/CP%201?x") == "/ocpp/CP%201?x"
    assert upstream.target("/ocpp/CP1") == "/ocpp/CP1"
    assert upstream.target("/ocppy/CP1") == "/ocpp/ocppy/CP1"
    assert parse_upstream("ws://csms.example").target("//CP1") == "//CP1"


def test_the_host_header_has_a_port_only_where_the_scheme_does_not_imply_it() -> None:
    assert parse_upstream("wss://csms.example:443").authority == "csms.example"
    assert parse_upstream("ws://csms.example:443").authority == "csms.example:443"
    assert parse_upstream("ws://[::1]:9001").authority == "[::1]:9001"


@pytest.mark.parametrize(
    "text", ["csms.example", "ftp://x", "ws://", "ws://u:p@x", "ws://x:99999", "ws://x/ y", "=ws://x", "ws://x?token=1"]
)
def test_a_wrong_url_says_how_to_write_it(text: str) -> None:
    with pytest.raises(RouteError, match="write it like"):
        parse_route(text)


def test_two_upstreams_for_all_are_one_too_many() -> None:
    with pytest.raises(RouteError, match="several upstreams"):
        Routes([parse_route("ws://a"), parse_route("ws://b")])
