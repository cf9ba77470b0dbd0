"""The algorithms that others have written, asked over a port of this machine.

Each line that comes in is a request with all that there is to know, in JSON; a line with the values
that are chosen, or with the error, goes back.
"""

import json
import math
import random
import socketserver
import statistics
import sys
import traceback
import warnings


def seed(request, offset):
    """For the trial with that place among those asked for; the same whenever it is asked for."""
    place = request["number"] + offset
    return random.Random(f"{request['seed']}:{place}").getrandbits(32)


def minimised(request):
    """The trials that have ended, with what is to become small."""
    sign = -1.0 if request["maximize"] else 1.0
    ended = [it for it in request["trials"] if it["objective"] is not None]
    return [(it["values"], sign * it["objective"]) for it in ended]


class Bell:
    """A normal distribution within its range, as a number from 0 to 1."""

    def __init__(self, parameter):
        self.log = parameter["distribution"] == "logNormal"
        low, high = self.plain(parameter["min"]), self.plain(parameter["max"])
        self.normal = statistics.NormalDist((low + high) / 2, (high - low) / 6)
        self.low, self.high = self.normal.cdf(low), self.normal.cdf(high)

    def plain(self, value):
        return math.log(value) if self.log else value

    def share(self, value):
        share = (self.normal.cdf(self.plain(value)) - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)

    def value(self, share):
        value = self.normal.inv_cdf(self.low + share * (self.high - self.low))
        return math.exp(value) if self.log else value


class Tpe:
    """Tree-structured Parzen estimators, by Optuna."""

    def __init__(self):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna = optuna

    def choose(self, request):
        optuna, space = self.optuna, request["space"]
        distributions = {it["name"]: self.distribution(it) for it in space}
        direction = "maximize" if request["maximize"] else "minimize"
        study = optuna.create_study(direction=direction)
        for trial in request["trials"]:
            ended = trial["objective"] is not None
            states = optuna.trial.TrialState
            inner = {it["name"]: self.inner(it, value) for it, value in zip(space, trial["values"])}
            study.add_trial(
                optuna.trial.create_trial(
                    state=states.COMPLETE if ended else states.RUNNING,
                    value=trial["objective"],
                    params=inner,
                    distributions=distributions,
                )
            )
        for offset in range(request["count"]):
            study.sampler = self.sampler(request, offset)
            asked = study.ask(fixed_distributions=distributions)
            yield [self.outer(it, asked.params[it["name"]]) for it in space]

    def sampler(self, request, offset):
        given = request["settings"]
        settings = {"multivariate": request["algorithm"] == "multivariate-tpe"}
        if not settings["multivariate"]:
            # It begins to learn early, as Katib's does; most searches are small.
            settings["n_startup_trials"] = 5
        for name, key, kind in [
            ("n_startup_trials", "n_startup_trials", int),
            ("n_ei_candidates", "n_ei_candidates", int),
            ("n_EI_candidates", "n_ei_candidates", int),
            ("prior_weight", "prior_weight", float),
        ]:
            if name in given:
                settings[key] = kind(given[name])
        if "gamma" in given:
            gamma = float(given["gamma"])
            settings["gamma"] = lambda count: min(math.ceil(gamma * math.sqrt(count)), 25)
        # Trials that still run count as bad ones, so that nobody tries the same beside them.
        settings["constant_liar"] = True
        return self.optuna.samplers.TPESampler(seed=seed(request, offset), **settings)

    def distribution(self, parameter):
        kinds, kind = self.optuna.distributions, parameter["kind"]
        if kind == "list":
            return kinds.CategoricalDistribution(range(len(parameter["list"])))
        if parameter["distribution"] in ("normal", "logNormal"):
            return kinds.FloatDistribution(0.0, 1.0)
        log = parameter["distribution"] == "logUniform"
        whole = kind == "int"
        made = kinds.IntDistribution if whole else kinds.FloatDistribution
        # On a log scale there are no steps; what is chosen is put on them afterwards.
        step = (1 if whole else None) if log else parameter["step"] or (1 if whole else None)
        return made(parameter["min"], parameter["max"], log=log, step=step)

    @staticmethod
    def inner(parameter, value):
        if parameter["kind"] == "list":
            return parameter["list"].index(value)
        if parameter["distribution"] in ("normal", "logNormal"):
            return Bell(parameter).share(float(value))
        return int(value) if parameter["kind"] == "int" else float(value)

    @staticmethod
    def outer(parameter, value):
        if parameter["kind"] == "list":
            return parameter["list"][value]
        if parameter["distribution"] in ("normal", "logNormal"):
            return Bell(parameter).value(value)
        return value


class CmaEs:
    """Evolution strategy with an adapted covariance matrix, by the library beneath Optuna's."""

    def __init__(self):
        import cmaes
        import numpy

        self.cmaes, self.numpy = cmaes, numpy

    def choose(self, request):
        numeric = [it for it in request["space"] if it["kind"] != "list"]
        places = [at for at, it in enumerate(request["space"]) if it["kind"] != "list"]
        # A step of one's own is in the parameters' own measure; else all ranges are alike.
        sigma = request["settings"].get("sigma")
        scale = [1.0 if sigma else it["max"] - it["min"] for it in numeric]
        search = Search(self, numeric, scale, float(sigma) if sigma else 1 / 6, request)
        for values, objective in minimised(request):
            point = [float(values[at]) / width for at, width in zip(places, scale)]
            search.tell(self.numpy.array(point), objective)
        for offset in range(request["count"]):
            chance = random.Random(seed(request, offset))
            search.optimizer.reseed_rng(seed(request, offset))
            asked = [float(it) * width for it, width in zip(search.optimizer.ask(), scale)]
            chosen = [chance.choice(it["list"]) if it["kind"] == "list" else None for it in request["space"]]
            for at, value in zip(places, asked):
                chosen[at] = value
            yield chosen


class Search:
    """One search by CMA-ES, told anew from its first trial on, with its restarts."""

    def __init__(self, libraries, numeric, scale, sigma, request):
        self.libraries, self.sigma = libraries, sigma
        low = [it["min"] / width for it, width in zip(numeric, scale)]
        high = [it["max"] / width for it, width in zip(numeric, scale)]
        self.low, self.high = libraries.numpy.array(low), libraries.numpy.array(high)
        self.strategy = request["settings"].get("restart_strategy", "none")
        self.chance = random.Random(request["seed"])
        self.batch, self.large, self.spent = [], 0, {"small": 0, "large": 0}
        self.size = "small"
        self.optimizer = self.start((self.low + self.high) / 2, None)
        self.population = self.optimizer.population_size

    def start(self, mean, population):
        bounds = self.libraries.numpy.stack([self.low, self.high], axis=1)
        return self.libraries.cmaes.CMA(
            mean=mean, sigma=self.sigma, bounds=bounds, seed=0, population_size=population
        )

    def tell(self, point, objective):
        self.batch.append((point, objective))
        if len(self.batch) < self.optimizer.population_size:
            return
        self.optimizer.tell(self.batch)
        self.spent[self.size] += len(self.batch)
        self.batch = []
        if self.strategy != "none" and self.optimizer.should_stop():
            self.restart()

    def restart(self):
        if self.strategy == "bipop" and self.spent["small"] < self.spent["large"]:
            self.size = "small"
            population = math.floor(self.population * 2 ** (self.large * self.chance.random() ** 2))
        else:
            self.size = "large"
            self.large += 1
            population = self.population * 2**self.large
        shares = self.libraries.numpy.array([self.chance.random() for _ in self.low])
        self.optimizer = self.start(self.low + shares * (self.high - self.low), population)


class Sobol:
    """A sequence that fills the space evenly, by SciPy."""

    def __init__(self):
        from scipy.stats import qmc

        self.qmc = qmc

    def choose(self, request):
        space = request["space"]
        sequence = self.qmc.Sobol(len(space), scramble=False)
        # Its first point is the corner of the space.
        sequence.fast_forward(request["number"] + 1)
        for point in sequence.random(request["count"]):
            yield [self.value(it, float(share)) for it, share in zip(space, point)]

    @staticmethod
    def value(parameter, share):
        if parameter["kind"] == "list":
            return parameter["list"][int(share * len(parameter["list"]))]
        return parameter["min"] + share * (parameter["max"] - parameter["min"])


class Bayesian:
    """Bayesian optimisation with a surrogate model, by scikit-optimize."""

    def __init__(self):
        import skopt

        self.skopt = skopt

    def choose(self, request):
        given = request["settings"]
        told = minimised(request)
        # What still runs is expected to come out as the others have.
        middle = statistics.fmean(it for _, it in told) if told else 0.0
        running = [it["values"] for it in request["trials"] if it["objective"] is None]
        told += [(it, middle) for it in running] if told else []
        optimizer = self.skopt.Optimizer(
            [self.dimension(it) for it in request["space"]],
            base_estimator=given.get("base_estimator", "GP"),
            n_initial_points=max(1, int(given.get("n_initial_points", 10))),
            acq_func=given.get("acq_func", "gp_hedge"),
            acq_optimizer=given.get("acq_optimizer", "auto"),
            random_state=seed(request, 0),
        )
        if told:
            values = [self.inner(request["space"], it) for it, _ in told]
            optimizer.tell(values, [it for _, it in told])
        for asked in optimizer.ask(n_points=request["count"]):
            # They are numbers and texts of NumPy.
            yield [it.item() if hasattr(it, "item") else it for it in asked]

    def dimension(self, parameter):
        space, kind = self.skopt.space, parameter["kind"]
        if kind == "list":
            return space.Categorical(parameter["list"])
        if kind == "int":
            return space.Integer(parameter["min"], parameter["max"])
        return space.Real(parameter["min"], parameter["max"], prior="log-uniform")

    @staticmethod
    def inner(space, values):
        convert = {"int": int, "double": float, "list": str}
        return [convert[it["kind"]](value) for it, value in zip(space, values)]


ALGORITHMS = {
    "tpe": Tpe,
    "multivariate-tpe": Tpe,
    "cmaes": CmaEs,
    "sobol": Sobol,
    "bayesianoptimization": Bayesian,
}


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            try:
                answer = {"chosen": list(self.server.algorithm.choose(json.loads(line)))}
            except Exception as error:
                traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            self.wfile.write(json.dumps(answer).encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with Server(("127.0.0.1", 0), Conversation) as server:
        server.algorithm = ALGORITHMS[sys.argv[1]]()
        print(f"listening on port {server.server_address[1]}", flush=True)
        server.serve_forever()
