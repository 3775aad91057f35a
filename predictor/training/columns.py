"""The columns of the steel plant's meter: the one place that names, bounds and describes them."""

from predictor.contract import Column, Contract, RowWarning, Target

MODEL_NAME = "energy"

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LOADS = ("Light", "Medium", "Maximum")

# No meter reaches this in a quarter of an hour; it keeps every feature finite in float32.
LARGEST_READING = 1_000_000.0

CONTRACT = Contract(
    columns=(
        Column(
            "lagging_reactive_power",
            "FP64",
            "kVArh",
            "Reactive energy while the current lags the voltage, in the 15 minutes",
            minimum=0.0,
            maximum=LARGEST_READING,
        ),
        Column(
            "leading_reactive_power",
            "FP64",
            "kVArh",
            "Reactive energy while the current leads the voltage, in the 15 minutes",
            minimum=0.0,
            maximum=LARGEST_READING,
        ),
        Column(
            "co2",
            "FP64",
            "t",
            "Carbon dioxide of the 15 minutes",
            minimum=0.0,
            maximum=LARGEST_READING,
        ),
        Column(
            "lagging_power_factor",
            "FP64",
            "percent",
            "Power factor while the current lags the voltage",
            minimum=0.0,
            maximum=100.0,
        ),
        Column(
            "leading_power_factor",
            "FP64",
            "percent",
            "Power factor while the current leads the voltage",
            minimum=0.0,
            maximum=100.0,
        ),
        Column(
            "nsm",
            "INT64",
            "seconds from midnight",
            "Time at which the 15 minutes end",
            minimum=0.0,
            maximum=86_399.0,
        ),
        Column(
            "day_of_week",
            "INT64",
            "days from Monday",
            "Day to which the 15 minutes belong",
            minimum=0.0,
            maximum=6.0,
            labels={day: code for code, day in enumerate(DAYS)},
        ),
        Column(
            "load_type",
            "BYTES",
            "category",
            "What the plant's schedule calls the load",
            labels={load: code for code, load in enumerate(LOADS)}
            | {f"{load}_Load": code for code, load in enumerate(LOADS)},
        ),
    ),
    target=Target("usage_kwh", "kWh", "Active energy used in the 15 minutes", minimum=0.0),
)

INCONSISTENT = RowWarning(
    "inconsistent_power_factors",
    "the lagging and the leading reactive energy and power factor belong to different energies",
)
FRACTION = RowWarning(
    "fractional_power_factor",
    "a power factor is from 0 to 1; it is expected in percent, 85 and not 0.85",
)
UNBOUNDED = RowWarning(
    "unbounded_energy",
    "neither power factor limits the energy; the answer is what is usual for the load type",
)

# The data set's name of the time of a row, and how its day is written.
DATE_COLUMN, DAY_FORMAT = "date", "%d/%m/%Y"

# The data set's name of each column of the contract, and of the target.
CSV_NAMES = {
    "lagging_reactive_power": "Lagging_Current_Reactive.Power_kVarh",
    "leading_reactive_power": "Leading_Current_Reactive_Power_kVarh",
    "co2": "CO2(tCO2)",
    "lagging_power_factor": "Lagging_Current_Power_Factor",
    "leading_power_factor": "Leading_Current_Power_Factor",
    "nsm": "NSM",
    "day_of_week": "Day_of_week",
    "load_type": "Load_Type",
    "usage_kwh": "Usage_kWh",
}
