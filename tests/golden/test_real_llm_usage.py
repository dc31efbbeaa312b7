"""Published production usage at published list prices, against totals found without SQL.

Azure's trace has one row per request, billed here at three list prices, each landed in a
format of its own. ServeGen's two tables have one row per client and time window. The truth
beside the data was worked out in plain Python; nothing is compared with a tolerance.
"""

from __future__ import annotations

import csv
import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.harness import REPOSITORY, Installation, Scenario

DATA = REPOSITORY.parent / "shared" / "data" / "llm-tokens"
SERVICES = ("code", "conv")
# List price -> the format in which its copy of the Azure trace lands.
AZURE_PRICES = {"azure/gpt-35-turbo": "csv", "azure/gpt-4": "ndjson", "gpt-4o": "parquet"}
DEEPSEEK_PRICES = ("deepseek/deepseek-r1", "azure_ai/deepseek-r1")
# Only deepseek-r1 names the model of its price. The image model has no usage in tokens.
SERVEGEN_PRICES = {
    "deepseek-r1": "deepseek/deepseek-r1",
    "m-large": "dashscope/qwen-max",
    "m-mid": "dashscope/qwen-plus",
    "m-small": "dashscope/qwen-turbo",
    "mm-image": "dashscope/qwen-turbo",
}
CENT = Decimal("0.01")

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real traces are not beside the repository (shared/data)"
)


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    """Return the totals that came with the data."""
    loaded: dict[str, Any] = json.loads((DATA / "truth.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def prices() -> dict[tuple[str, str], Decimal]:
    """Return USD per token by list price and kind of token, where it has no bands."""
    with (DATA / "llm_prices.csv").open(newline="") as handle:
        return {
            (row["model"], row["token_type"]): Decimal(row["usd_per_token"])
            for row in csv.DictReader(handle)
            if row["request_input_tokens_above"] == "0"
            and not row["request_input_tokens_up_to"]
        }


@pytest.fixture(scope="module")
def billed(
    tmp_path_factory: pytest.TempPathFactory,
    dbt_folder: Path,
    prices: dict[tuple[str, str], Decimal],
    truth: dict[str, Any],
) -> Installation:
    """Land both traces and bill 2023-11, 2025-02 and 2025-03."""
    installation = Installation(tmp_path_factory.mktemp("real-usage"), dbt_folder)
    world = Scenario()
    describe_world(world, prices, truth)
    installation.write_price_book(world)
    installation.land(world)
    usage = installation.landing / "usage"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for list_price, file_format in AZURE_PRICES.items():
            for service in SERVICES:
                land_azure(connection, usage, service, list_price, file_format)
        land_servegen(connection, usage)
    installation.ingest()
    installation.dbt_build("2025-03")
    return installation


def describe_world(
    world: Scenario, prices: dict[tuple[str, str], Decimal], truth: dict[str, Any]
) -> None:
    """Add the meters, a plan per list price, and a customer per client and list price."""
    tokens = {"unit": "token", "dimensions": "model"}
    for kind in ("input", "output"):
        for event_type in ("llm.request", "llm.window"):
            world.meter(
                f"{event_type}.{kind}", event_type, value_property=f"{kind}_tokens", **tokens
            )
    requests = {"value_property": "requests", "unit": "request", "dimensions": "model"}
    world.meter("llm.request.requests", "llm.request", "count", value_property="")
    world.meter("llm.window.requests", "llm.window", **requests)
    world.meter("llm.short_window.requests", "llm.short_window", **requests)
    for list_price in [*AZURE_PRICES, *DEEPSEEK_PRICES, *set(SERVEGEN_PRICES.values())]:
        if any(plan["plan_code"] == list_price for plan in world.plans):
            continue
        event_type = "llm.request" if list_price in AZURE_PRICES else "llm.window"
        world.plan(list_price, "USD")
        for kind in ("input", "output"):
            world.price(
                list_price,
                "per_unit",
                charge=kind,
                meter_code=f"{event_type}.{kind}",
                unit_price=f"{prices[list_price, kind]:f}",
            )
    for list_price in AZURE_PRICES:
        for service in SERVICES:
            subscribe(world, f"{service} at {list_price}", list_price)
    for client in truth["servegen_requests_10min"]["customers"]:
        subscribe(world, client, SERVEGEN_PRICES[client.partition("/")[0]])
    for client in truth["servegen_tokens_6h"]["customers"]:
        if client.startswith("deepseek-r1/"):
            subscribe(world, f"{client} at azure_ai", "azure_ai/deepseek-r1")


def subscribe(world: Scenario, name: str, plan: str) -> None:
    """Add a customer with an open subscription of the same name."""
    world.customer(name, currency_code="USD", country_code="US")
    world.subscription(name, plan_code=plan, started_at="2023-11-01", ended_at="")


def land_azure(
    connection: duckdb.DuckDBPyConnection,
    usage: Path,
    service: str,
    list_price: str,
    file_format: str,
) -> None:
    """Land one trace under a list price: its instants as they come, its line as the id."""
    name = f"AzureLLMInferenceTrace_{service}.csv"
    target = usage / "azure" / f"{service}.{file_format}"
    target.parent.mkdir(parents=True, exist_ok=True)
    properties = "'azure' as model, input_tokens, output_tokens"
    if file_format == "ndjson":
        properties = (
            "{'model': 'azure', 'input_tokens': input_tokens::bigint,"
            " 'output_tokens': output_tokens::bigint} as data"
        )
    options = {"csv": "format csv", "ndjson": "format json", "parquet": "format parquet"}
    connection.execute(
        f"""
        copy (
            select
                '{name}:' || row_number() over () as id, '{list_price}' as source,
                'llm.request' as type, '{service} at {list_price}' as subject, time,
                {properties}
            from read_csv(
                '{DATA / name}', auto_detect = false, header = true, delim = ',', columns = {{
                    time: 'varchar', input_tokens: 'varchar', output_tokens: 'varchar'
                }}
            )
        ) to '{target}' ({options[file_format]})
        """
    )
    if file_format == "csv":
        # As published: CRLF, and no line end after the last record.
        lines = target.read_bytes().rstrip(b"\n")
        target.write_bytes(lines.replace(b"\n", b"\r\n"))


def land_servegen(connection: duckdb.DuckDBPyConnection, usage: Path) -> None:
    """Land the window tables as Parquet; the priced-twice model again as NDJSON."""
    folder = usage / "servegen"
    folder.mkdir()
    envelope = (
        "client_id || '@' || offset_s as id, '{source}' as source, '{kind}' as type,"
        " client_id || '{suffix}' as subject, window_start as time"
    )
    windows, short_windows = (
        DATA / "servegen_tokens_6h.parquet",
        DATA / "servegen_requests_10min.parquet",
    )
    short = envelope.format(source="10min", kind="llm.short_window", suffix="")
    long = envelope.format(source="6h", kind="llm.window", suffix="")
    again = envelope.format(source="6h azure", kind="llm.window", suffix=" at azure_ai")
    tokens = "model, requests, input_tokens, output_tokens"
    connection.execute(
        f"copy (select {short}, model, requests from '{short_windows}')"
        f" to '{folder / 'requests_10min.parquet'}' (format parquet)"
    )
    connection.execute(
        f"copy (select {long}, {tokens} from '{windows}')"
        f" to '{folder / 'tokens_6h.parquet'}' (format parquet)"
    )
    connection.execute(
        f"copy (select {again} , {{{', '.join(f'{n!r}: {n}' for n in tokens.split(', '))}}}"
        f" as data from '{windows}' where model = 'deepseek-r1')"
        f" to '{folder / 'tokens_again.ndjson'}' (format json)"
    )


def usage_by_customer(
    billed: Installation, meter_code: str
) -> dict[tuple[str, str], tuple[int, Decimal]]:
    """Return (events, quantity) by customer and month, of days in fct_usage_daily."""
    rows = billed.rows(
        "select customer_id, strftime(usage_date, '%Y-%m') as month,"
        " sum(event_count)::bigint as event_count, sum(quantity) as quantity"
        " from marts.fct_usage_daily where meter_code = ? group by all",
        [meter_code],
    )
    return {
        (row["customer_id"], row["month"]): (row["event_count"], row["quantity"])
        for row in rows
    }


def lines_by_customer(billed: Installation) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the invoice lines by customer, month and charge; each has exactly one."""
    rows = billed.rows(
        "select customer_id, billing_period, charge_code, quantity, exact_amount,"
        " lines.net_amount, lines.unit, lines.dimension_values"
        " from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices as invoices using (invoice_id)"
    )
    lines = {
        (row["customer_id"], row["billing_period"], row["charge_code"]): row for row in rows
    }
    assert len(lines) == len(rows)
    return lines


def net_by_customer(billed: Installation) -> dict[tuple[str, str], Decimal]:
    """Return the net amount of every invoice by customer and month; all are drafts."""
    rows = billed.rows("select * from marts.fct_invoices")
    assert {row["invoice_status"] for row in rows} == {"draft"}
    return {(row["customer_id"], row["billing_period"]): row["net_amount"] for row in rows}


def rounded(amount: Decimal) -> Decimal:
    """Round to cents, half away from zero."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def test_every_landed_record_is_accounted_for(
    billed: Installation, truth: dict[str, Any]
) -> None:
    """Requests by the window have no list price; everything else is rated."""
    fates = billed.rows(
        "select fate, reason, sum(event_count)::bigint as event_count"
        " from marts.fct_event_fates group by all order by all"
    )
    azure = truth["azure_2023"]["both"]["rows"] * len(AZURE_PRICES)
    windows = truth["servegen_tokens_6h"]["rows"]
    again = sum(
        rows
        for client, months in truth["servegen_tokens_6h"]["customers"].items()
        if client.startswith("deepseek-r1/")
        for rows, *_ in months.values()
    )
    unpriced = truth["servegen_requests_10min"]["rows"]
    assert fates == [
        {"fate": "rated", "reason": "", "event_count": azure + windows + again},
        {"fate": "unpriced", "reason": "", "event_count": unpriced},
    ]


def test_azure_instants_are_kept_as_they_come(
    billed: Installation, truth: dict[str, Any]
) -> None:
    """Each format gives the same first, last and hourly instants; the seventh digit is 0."""
    for list_price in AZURE_PRICES:
        for service in SERVICES:
            expected = truth["azure_2023"][service]
            bounds = billed.rows(
                "select strftime(min(event_at), '%Y-%m-%d %H:%M:%S.%f0') as first,"
                " strftime(max(event_at), '%Y-%m-%d %H:%M:%S.%f0') as last,"
                " count(distinct event_at) as distinct_timestamps"
                " from raw.usage_events where subject = ?",
                [f"{service} at {list_price}"],
            )
            assert bounds == [
                {name: expected[name] for name in ("first", "last", "distinct_timestamps")}
            ]
            hours = billed.rows(
                "select strftime(event_at, '%Y-%m-%d %H') as hour, count(*) as requests,"
                " sum((data->>'input_tokens')::bigint)::bigint as input_tokens,"
                " sum((data->>'output_tokens')::bigint)::bigint as output_tokens"
                " from raw.usage_events where subject = ? group by all",
                [f"{service} at {list_price}"],
            )
            assert {
                row["hour"]: [row["requests"], row["input_tokens"], row["output_tokens"]]
                for row in hours
            } == expected["hours"]


def test_azure_usage_is_metered_exactly(billed: Installation, truth: dict[str, Any]) -> None:
    """Requests and tokens of each service, at each list price alike."""
    for meter, field in (
        ("requests", "rows"),
        ("input", "input_tokens"),
        ("output", "output_tokens"),
    ):
        assert usage_by_customer(billed, f"llm.request.{meter}") == {
            (f"{service} at {list_price}", expected["month"]): (
                expected["rows"],
                Decimal(expected[field]),
            )
            for list_price in AZURE_PRICES
            for service in SERVICES
            for expected in [truth["azure_2023"][service]]
        }


@pytest.mark.parametrize("list_price", AZURE_PRICES)
@pytest.mark.parametrize("service", SERVICES)
def test_azure_costs_are_exact(
    billed: Installation, truth: dict[str, Any], service: str, list_price: str
) -> None:
    """Exact and rounded costs; the rounded lines happen to add up to the rounded total."""
    expected = truth["azure_2023"][service]["rated_usd"][list_price]
    customer, month = f"{service} at {list_price}", truth["azure_2023"][service]["month"]
    lines = lines_by_customer(billed)
    exact = {
        kind: lines[customer, month, kind]["exact_amount"] for kind in ("input", "output")
    }
    assert exact == {kind: Decimal(expected[kind]) for kind in exact}
    for kind, amount in exact.items():
        assert lines[customer, month, kind]["net_amount"] == rounded(amount)
    assert sum(exact.values()) == Decimal(expected["total"])
    assert rounded(sum(exact.values(), Decimal())) == Decimal(expected["total_2dp_half_up"])
    assert net_by_customer(billed)[customer, month] == Decimal(expected["total_2dp_half_up"])


def test_servegen_requests_are_metered_exactly(
    billed: Installation, truth: dict[str, Any]
) -> None:
    """Windows and requests of 421 clients by month, and their totals by model."""
    expected = truth["servegen_requests_10min"]
    metered = usage_by_customer(billed, "llm.short_window.requests")
    assert metered == {
        (client, month): (rows, Decimal(requests))
        for client, months in expected["customers"].items()
        for month, (rows, requests) in months.items()
    }
    assert sum(quantity for _, quantity in metered.values()) == expected["requests"]
    models = billed.rows(
        "select dimension_values, strftime(usage_date, '%Y-%m') as month,"
        " sum(event_count)::bigint as row_count, sum(quantity) as requests,"
        " count(distinct customer_id) as clients from marts.fct_usage_daily"
        " where meter_code = 'llm.short_window.requests' group by grouping sets"
        " ((dimension_values), (dimension_values, strftime(usage_date, '%Y-%m')))"
    )
    for model, totals in expected["by_model"].items():
        found = {
            row["month"]: row
            for row in models
            if json.loads(row["dimension_values"]) == {"model": model}
        }
        whole = found.pop(None)
        assert (whole["row_count"], whole["requests"], whole["clients"]) == (
            totals["rows"],
            totals["requests"],
            totals["clients_with_usage"],
        )
        assert {month: row["requests"] for month, row in found.items()} == totals["by_month"]


def test_servegen_tokens_are_metered_exactly(
    billed: Installation, truth: dict[str, Any]
) -> None:
    """Windows, requests and tokens of 328 clients by month, and their totals by model."""
    expected = truth["servegen_tokens_6h"]
    by_model: dict[str, list[int]] = {}
    for index, meter in enumerate(("requests", "input", "output"), start=1):
        metered = {
            (client, month): usage
            for (client, month), usage in usage_by_customer(
                billed, f"llm.window.{meter}"
            ).items()
            if not client.endswith(" at azure_ai")
        }
        assert metered == {
            (client, month): (row[0], Decimal(row[index]))
            for client, months in expected["customers"].items()
            for month, row in months.items()
        }
        for (client, _), (rows, quantity) in metered.items():
            totals = by_model.setdefault(client.partition("/")[0], [0, 0, 0, 0])
            totals[0] += rows if index == 1 else 0
            totals[index] += int(quantity)
    assert by_model == expected["by_model"]


def test_servegen_tokens_are_billed_exactly(
    billed: Installation,
    truth: dict[str, Any],
    prices: dict[tuple[str, str], Decimal],
) -> None:
    """Every client and month: quantity, exact and rounded amount of each line, and the net."""
    lines = {key: row for key, row in lines_by_customer(billed).items() if key[1] != "2023-11"}
    nets = {key: net for key, net in net_by_customer(billed).items() if key[1] != "2023-11"}
    expected_nets: dict[tuple[str, str], Decimal] = {}
    for client, months in truth["servegen_tokens_6h"]["customers"].items():
        model = client.partition("/")[0]
        accounts = {client: SERVEGEN_PRICES[model]}
        if model == "deepseek-r1":
            accounts[f"{client} at azure_ai"] = "azure_ai/deepseek-r1"
        for customer, list_price in accounts.items():
            for month, (_, _, *tokens) in months.items():
                net = Decimal()
                for kind, quantity in zip(("input", "output"), tokens, strict=True):
                    exact = quantity * prices[list_price, kind]
                    line = lines.pop((customer, month, kind))
                    assert (line["quantity"], line["exact_amount"]) == (quantity, exact)
                    assert line["net_amount"] == rounded(exact)
                    assert json.loads(line["dimension_values"]) == {"model": model}
                    net += rounded(exact)
                expected_nets[customer, month] = net
    assert lines == {}
    assert nets == {key: net for key, net in expected_nets.items() if net}


@pytest.mark.parametrize("list_price", DEEPSEEK_PRICES)
def test_deepseek_costs_are_exact(
    billed: Installation, truth: dict[str, Any], list_price: str
) -> None:
    """The one model whose own list price is known, at both of its prices."""
    expected = truth["servegen_tokens_6h"]["deepseek_r1_rated_usd"][list_price]
    exact = {
        row["charge_code"]: row["exact_amount"]
        for row in billed.rows(
            "select lines.charge_code, sum(lines.exact_amount) as exact_amount"
            " from marts.fct_invoice_lines as lines"
            " inner join marts.dim_prices using (price_id)"
            " where dim_prices.plan_code = ? group by all",
            [list_price],
        )
    }
    assert exact == {kind: Decimal(expected[kind]) for kind in ("input", "output")}
    assert sum(exact.values()) == Decimal(expected["total"])
