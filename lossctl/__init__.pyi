# The one list of public names, and of where each is found: type checkers read it, and at run time
# the package does when a name is asked for.

from lossctl import errors as errors
from lossctl import losses as losses
from lossctl.api.checks import check as check
from lossctl.api.computation import compare_definitions as compare_definitions
from lossctl.api.computation import compute as compute
from lossctl.api.computation import describe as describe
from lossctl.api.computation import describe_all as describe_all
from lossctl.api.computation import elements as elements
from lossctl.api.computation import merge as merge
from lossctl.api.datasets import evaluate as evaluate
from lossctl.api.datasets import run_suite as run_suite
from lossctl.api.explanations import explain as explain
from lossctl.api.explanations import explain_difference as explain_difference
from lossctl.api.gradients import gradient as gradient
from lossctl.checks.result import CheckResult as CheckResult
from lossctl.data import load_array as load_array
from lossctl.engine.gradients.result import Gradient as Gradient
from lossctl.engine.sums.result import Result as Result
from lossctl.explanation.result import Difference as Difference
from lossctl.explanation.result import Explanation as Explanation
from lossctl.losses.core.declaration import Option as Option
from lossctl.losses.core.declaration import Role as Role
from lossctl.losses.core.inputs import above_minus_one as above_minus_one
from lossctl.losses.core.inputs import binary as binary
from lossctl.losses.core.inputs import box as box
from lossctl.losses.core.inputs import class_label as class_label
from lossctl.losses.core.inputs import class_probability as class_probability
from lossctl.losses.core.inputs import clipped as clipped
from lossctl.losses.core.inputs import density as density
from lossctl.losses.core.inputs import distribution as distribution
from lossctl.losses.core.inputs import either as either
from lossctl.losses.core.inputs import index as index
from lossctl.losses.core.inputs import index_list as index_list
from lossctl.losses.core.inputs import labels as labels
from lossctl.losses.core.inputs import length as length
from lossctl.losses.core.inputs import log_amount as log_amount
from lossctl.losses.core.inputs import log_probability as log_probability
from lossctl.losses.core.inputs import logit as logit
from lossctl.losses.core.inputs import mass as mass
from lossctl.losses.core.inputs import not_negative as not_negative
from lossctl.losses.core.inputs import positive as positive
from lossctl.losses.core.inputs import probability as probability
from lossctl.losses.core.inputs import real as real
from lossctl.losses.core.inputs import score as score
from lossctl.losses.core.inputs import sign as sign
from lossctl.losses.core.inputs import soft_label as soft_label
from lossctl.losses.core.inputs import variance as variance
from lossctl.losses.core.steps import Step as Step
from lossctl.losses.core.terms import InputPredicate as InputPredicate
from lossctl.losses.core.terms import Terms as Terms
from lossctl.losses.core.terms import Transform as Transform
from lossctl.losses.custom.decorator import loss as loss
from lossctl.losses.custom.decorator import steps as steps

__version__: str
