"""The cases that hold the port against the official code: small networks, every option.

A case gives what differs from a dict of the official configs.py ("exp"); record.py completes it
from the clone, and each record carries the complete opts. What the other keys mean is said at the
head of record.py. Sizes are small so that all cases are recorded in minutes and their goldens weigh
a few hundred kilobytes; the networks keep the depth and the layers of the real ones.

Every case trains 20 iterations (pretrain_on_1 one) in epoch 0, where only manual_smooth and none of
the other learning rate schedules has moved; schedules over epochs are a record of their own
(--schedules).

Not a case: w_aef as it is written, which stops with `TypeError: reconstruction_loss() takes exactly
3 arguments (2 given)` (official improved_wae.py:162 calls the static method without opts) while the graph is
built, whatever the other opts. `aef_repaired` records it as it was meant.
"""

STEPS = 20
TRAIN_SIZE = 1000

_DCGAN = {"e_num_filters": 16, "g_num_filters": 16, "d_num_filters": 16, "batch_size": 10}
_LARGE = dict(_DCGAN, batch_size=8, zdim=6, e_pretrain_sample_size=12)  # 64x64 pictures
_MNIST = dict(_DCGAN, zdim=5, e_pretrain_sample_size=16)
_MLP = {
    "e_num_filters": 12,
    "g_num_filters": 12,
    "d_num_filters": 16,
    "batch_size": 12,
    "e_pretrain_sample_size": 16,
}
_CIFAR = dict(_LARGE, dataset="cifar10")
_ZEROS = dict.fromkeys(
    [f"encoder/{layer}_lin/W" for layer in ("h0", "h1", "h2", "mean", "log_sigmas")]
    + [f"generator/h{i}_lin/W" for i in range(4)],
    0.0,
)
_BEGAN_ENCODER = {"e_arch": "began", "e_num_layers": 6, "e_num_filters": 8, "g_num_filters": 8}
_BEGAN = {"e_arch": "began", "g_arch": "began", "e_num_filters": 4, "g_num_filters": 4}


def _case(name, exp, base, **changes):
    """Makes a case; keywords that are no opts go to the case itself."""
    case = {"name": name, "exp": exp, "train_size": TRAIN_SIZE, "steps": STEPS}
    for key in ("weights", "repair", "improved", "train_size", "steps"):
        if key in changes:
            case[key] = changes.pop(key)
    case["opts"] = {**base, **changes}
    return case


def _mnist(name, **changes):
    return _case(name, "mnist", _MNIST, **changes)


def _small(name, **changes):
    return _case(name, "mnist_small", _MLP, **changes)


def cases():
    """Returns all cases."""
    return [
        # the presets of configs.py, with both penalties
        _mnist("mnist_mmd"),
        _mnist("mnist_gan", z_test="gan"),
        _case("celebA_mmd", "celebA", _LARGE),
        _case("celebA_gan", "celebA", _LARGE, z_test="gan"),  # Nowozin's trick is on
        _small("mnist_small_mmd", improved=True),
        _small("mnist_small_gan", z_test="gan"),
        _case("celebA_small", "celebA_small", _MLP, improved=True),
        _case("dsprites", "dsprites", _LARGE),
        _case("grassli", "grassli", _LARGE),  # implicit
        _case("grassli_small", "grassli_small", _LARGE, zdim=2),
        # the adversary
        _case("celebA_gan_plain", "celebA", _LARGE, z_test="gan", gan_p_trick=False),
        _small("gan_trick_scale_2", z_test="gan", gan_p_trick=True, pz_scale=2.0),
        # encoders
        _mnist("deterministic", e_noise="deterministic"),
        _mnist("gaussian", e_noise="gaussian"),
        _mnist("gaussian_gan", e_noise="gaussian", z_test="gan"),
        _mnist("implicit", e_noise="implicit"),
        _mnist("implicit_gan", e_noise="implicit", z_test="gan"),
        _small("add_noise_mlp", e_noise="add_noise"),
        _small(  # log-variances beyond the clip at 50, both ways, in two of the four dimensions
            "logvar_clip",
            e_pretrain=False,  # squares of exp(50) overflow in its loss
            weights={"encoder/log_sigmas_lin/b": [0.1, 60.0, -60.0, -0.1]},
        ),
        # kernels, priors, scales
        _mnist("rbf", mmd_kernel="RBF"),
        _small("rbf_gaussian_scale_2", mmd_kernel="RBF", pz_scale=2.0),
        _mnist("sphere_mmd", pz="sphere"),
        _mnist("sphere_gan", pz="sphere", z_test="gan"),
        _mnist("uniform_mmd", pz="uniform"),
        _mnist("uniform_gan", pz="uniform", z_test="gan"),
        _small(
            "sphere_implicit_scale_2", pz="sphere", e_noise="implicit", pz_scale=2.0, improved=True
        ),
        _small("uniform_deterministic", pz="uniform", e_noise="deterministic"),
        _mnist("scale_2", pz_scale=2.0),
        # costs
        _mnist("cost_l2", cost="l2"),
        _mnist("cost_l1", cost="l1"),
        # networks
        _case("dcgan", "dsprites", _LARGE, g_arch="dcgan"),
        _case("dcgan_cifar_sym", "celebA", _CIFAR, g_arch="dcgan", g_num_layers=3),
        _case("ali", "mnist", _CIFAR, e_arch="ali", g_arch="ali"),
        _case(
            "ali_gaussian_gan",
            "celebA",
            _CIFAR,
            e_arch="ali",
            g_arch="ali",
            e_noise="gaussian",
            z_test="gan",
        ),
        _case("began", "mnist", _CIFAR, **{**_BEGAN, "e_num_layers": 6, "g_num_layers": 9}),
        _case("began_64", "celebA", _LARGE, **{**_BEGAN, "e_num_layers": 9, "g_num_layers": 12}),
        # MMD++
        _small("mmdpp", z_test="mmdpp"),
        _small("mmdppp", z_test="mmdppp"),
        _small("mmdpp_rbf", z_test="mmdpp", mmd_kernel="RBF"),
        _small("mmdppp_rbf", z_test="mmdppp", mmd_kernel="RBF"),
        _mnist("mmdpp_dcgan", z_test="mmdpp", e_noise="gaussian"),
        # training
        _mnist("sgd", optimizer="sgd"),
        _mnist("no_batch_norm", batch_norm=False),
        _small("no_batch_norm_mlp", batch_norm=False),
        _small("sgd_no_batch_norm_gan", optimizer="sgd", batch_norm=False, z_test="gan"),
        _small("no_pretraining", e_pretrain=False),
        # values at the edge of what gives finite numbers
        _mnist("began_encoder", **_BEGAN_ENCODER),
        _case("began_decoder", "mnist", _CIFAR, g_arch="began", g_num_filters=4, g_num_layers=9),
        _mnist("began_encoder_no_layers", **dict(_BEGAN_ENCODER, e_num_layers=0)),
        _small("batch_of_1_gan", z_test="gan", batch_size=1),
        _small("no_layers_mlp", e_num_layers=0, g_num_layers=0),
        _mnist("no_layers_dcgan", e_num_layers=0),
        _small("no_layers_adversary", z_test="gan", d_num_layers=0),
        _small("batch_norm_decay_1", batch_norm_decay=1.0),
        _mnist("batch_norm_eps_0", batch_norm_eps=0.0),
        _small("lr_0_gan", z_test="gan", lr=0.0, lr_adv=0.0),
        _small("init_std_0", init_std=0.0, weights=_ZEROS),
        _small("pretrain_on_1", z_test="gan", train_size=1, batch_size=1, steps=1),
        _small("negative_lambda", **{"lambda": -1.0}),
        _small("negative_lambda_gan", z_test="gan", **{"lambda": -1.0}),
        _small("negative_scale", pz_scale=-2.0),
        _small("negative_scale_gan", pz_scale=-2.0, z_test="gan", gan_p_trick=True),
        _small("scale_0_gan", pz_scale=0.0, z_test="gan"),
        _small("scale_0_rbf", pz_scale=0.0, mmd_kernel="RBF"),
        _small("scale_0_sphere", pz_scale=0.0, pz="sphere", e_noise="deterministic"),
        _small("scale_0_uniform", pz_scale=0.0, pz="uniform", e_noise="deterministic"),
        _small("scale_0_mmdpp_rbf", pz_scale=0.0, mmd_kernel="RBF", z_test="mmdpp"),
        _small("zdim_1", zdim=1),
        _mnist("zdim_1_gan", zdim=1, z_test="gan"),
        # repaired: the one thing that cannot run as written
        _small("aef_repaired", w_aef=0.5, repair=True, batch_norm=False, e_pretrain=False),
    ]


def by_name():
    """Returns all cases as {name: case}."""
    return {case["name"]: case for case in cases()}
