"""What no schema can say, said to requests that are meant to be valid."""

import schemathesis

KEY = "Idempotency-Key"


def with_whole_numbers(value):
    """To JSON Schema 2.0 is a whole number. To Coffer it is an amount, but no count and no id."""
    if isinstance(value, dict):
        return {name: part if name == "amount" else with_whole_numbers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [with_whole_numbers(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def fit_to_type(movement):
    """Which fields a movement has hangs on its type."""
    kind = movement.get("type")
    if kind != "transfer":
        movement.pop("receiver", None)
    if kind != "adjustment":
        movement.pop("direction", None)
        movement.pop("reason", None)
    if kind not in ("spend", "transfer"):
        movement.pop("minimum_balance", None)


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive or not isinstance(case.body, dict):
        return
    case.body = with_whole_numbers(case.body)
    for movement in [case.body, *case.body.get("transactions", [])]:
        if "amount" in movement and "type" in movement:
            fit_to_type(movement)
    # A claim is by one of the two.
    if isinstance(case.body.get("campaign_id"), int) and "code" in case.body:
        case.body.pop("code")
    # The header and the field are two places for one key.
    if case.headers and KEY in case.headers:
        case.body.pop("idempotency_key", None)
