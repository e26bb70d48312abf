"""The former place of the models beside CRATE; they are in `crate_checkpoint` now."""
from crate_checkpoint import Classifier, CrateAlpha, Encoder, MaskedAutoencoder, TostClassifier  # noqa: F401
from crate_checkpoint.blocks import VitBlock, WhiteBoxBlock, block  # noqa: F401
from crate_checkpoint.layers import *  # noqa: F401, F403
