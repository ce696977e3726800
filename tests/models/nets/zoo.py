"""Small nets of the kinds that people write, for tests and benchmarks."""

import torch
from torch import nn
from torch.nn import functional


def conv(n_in, n_out, size=3, stride=1, groups=1):
    layer = nn.Conv2d(n_in, n_out, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(n_out))


class Residual(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = conv(1, width, 3, 2)
        self.a, self.b = conv(width, width), conv(width, width)
        self.c, self.d = conv(width, 2 * width, 3, 2), conv(2 * width, 2 * width)
        self.short, self.last = conv(width, 2 * width, 1, 2), nn.Linear(2 * width, 10)

    def forward(self, X):
        X = functional.relu(self.stem(X))
        X = functional.relu(X + self.b(functional.relu(self.a(X))))
        X = functional.relu(self.short(X) + self.d(functional.relu(self.c(X))))
        return self.last(X.mean((2, 3)))


class Concatenating(nn.Module):
    """As in DenseNet."""

    def __init__(self, width=16, growth=8):
        super().__init__()
        sizes = [width + number * growth for number in range(4)]
        self.stem = nn.Conv2d(1, width, 3, 2, 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes)
        self.layers = nn.ModuleList(nn.Conv2d(size, growth, 3, 1, 1) for size in sizes)
        self.middle, self.end = conv(width + 4 * growth, 32, 1), conv(32, 32, 3, 2)
        self.last = nn.Linear(32, 10)

    def forward(self, X):
        X = self.stem(X)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            X = torch.cat([X, layer(functional.relu(norm(X)))], 1)
        X = functional.relu(self.end(functional.relu(self.middle(X))))
        return self.last(X.flatten(2).mean(2))


class Squeezing(nn.Module):
    """With a squeeze-and-excite block."""

    def __init__(self, width=24):
        super().__init__()
        self.stem, self.a = conv(1, width, 3, 2), conv(width, width)
        self.b, self.c = conv(width, 2 * width, 3, 2), conv(2 * width, 2 * width)
        self.down, self.up = nn.Linear(2 * width, 12), nn.Linear(12, 2 * width)
        self.last = nn.Linear(2 * width, 10)

    def forward(self, X):
        X = functional.relu(self.a(functional.relu(self.stem(X))))
        X = functional.relu(self.b(X))
        gate = torch.sigmoid(self.up(functional.relu(self.down(X.mean((2, 3))))))
        X = X * gate.view(*gate.shape, 1, 1)
        return self.last(functional.relu(X + self.c(X)).mean((2, 3)))


class Inverted(nn.Module):
    """A block of MobileNetV3: wider, depthwise, squeeze-and-excite, narrower."""

    def __init__(self, n_in, width, n_out, stride):
        super().__init__()
        self.wider, self.each = conv(n_in, width, 1), conv(width, width, 3, stride, width)
        self.down, self.up = (
            nn.Conv2d(width, width // 4, 1),
            nn.Conv2d(width // 4, width, 1),
        )
        self.narrower, self.adds = conv(width, n_out, 1), stride == 1 and n_in == n_out

    def forward(self, X):
        Y = functional.hardswish(self.each(functional.hardswish(self.wider(X))))
        gate = self.up(functional.relu(self.down(functional.adaptive_avg_pool2d(Y, 1))))
        Y = self.narrower(Y * functional.hardsigmoid(gate))
        return X + Y if self.adds else Y


class Mobile(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            conv(1, 16, 3, 2),
            nn.Hardswish(),
            Inverted(16, 48, 16, 1),
            Inverted(16, 48, 24, 2),
            Inverted(24, 72, 24, 1),
            conv(24, 64, 1),
            nn.Hardswish(),
        )
        self.last = nn.Sequential(
            nn.Linear(64, 64), nn.Hardswish(), nn.Dropout(0.1), nn.Linear(64, 10)
        )

    def forward(self, X):
        return self.last(self.features(X).mean((2, 3)))


class Transformer(nn.Module):
    """Over the rows of an image, with a parameter for their positions."""

    def __init__(self, width=48, heads=4, layers=2):
        super().__init__()
        self.first = nn.Linear(28, width)
        self.place = nn.Parameter(0.02 * torch.randn(1, 28, width))
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.last = nn.Linear(width, 10)

    def forward(self, X):
        return self.last(self.encoder(self.first(X.squeeze(1)) + self.place).mean(1))


class Words(nn.Module):
    """The mean of embeddings."""

    def __init__(self, n_words=400, width=32):
        super().__init__()
        self.words = nn.Embedding(n_words, width)
        self.hidden, self.last = nn.Linear(width, 64), nn.Linear(64, 4)

    def forward(self, X):
        return self.last(functional.relu(self.hidden(self.words(X).mean(1))))


class Recurrent(nn.Module):
    def __init__(self, kind=nn.LSTM, n_words=400, width=24, hidden=32, **params):
        super().__init__()
        self.words = nn.Embedding(n_words, width)
        self.memory = kind(width, hidden, batch_first=True, **params)
        self.last = nn.Linear(hidden * (1 + self.memory.bidirectional), 4)

    def forward(self, X):
        return self.last(self.memory(self.words(X))[0].mean(1))


class WideAndDeep(nn.Module):
    """Numbers and three columns of categories, as two inputs by name."""

    def __init__(self, sizes=(50, 30, 12), width=8, n_numbers=10, hidden=64):
        super().__init__()
        self.words = nn.ModuleList(nn.Embedding(size, width) for size in sizes)
        self.wide, self.norm = nn.Linear(n_numbers, 16), nn.BatchNorm1d(hidden)
        self.a = nn.Linear(n_numbers + width * len(sizes), hidden)
        self.b, self.last = nn.Linear(hidden, hidden), nn.Linear(hidden + 16, 2)

    def forward(self, numbers, categories):
        words = [each(categories[:, k]) for k, each in enumerate(self.words)]
        X = self.norm(self.a(torch.cat([numbers, *words], 1)))
        X = functional.relu(self.b(functional.relu(X)))
        return self.last(torch.cat([X, self.wide(numbers)], 1))


def images(n=3, channels=1, size=28):
    return (torch.randn(n, channels, size, size),)


def texts(n=3):
    return (torch.randint(0, 12, (n, 20)),)


def mixed(n=3):
    return torch.randn(n, 10), torch.randint(0, 12, (n, 3))


#: Name: what makes the net, and what makes its inputs.
ZOO = {
    "residual": (Residual, images),
    "concatenating": (Concatenating, images),
    "squeezing": (Squeezing, images),
    "mobile": (Mobile, images),
    "transformer": (Transformer, images),
    "words": (Words, texts),
    "recurrent": (Recurrent, texts),
    "wide and deep": (WideAndDeep, mixed),
}
