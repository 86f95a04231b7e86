"""Answers of Hugging Face's BertModel in float64, and of their tokenizers, which gblend's are tested against.

    python xtask/peers/bert.py > gblend-modalities/tests/fixtures/bert.json

Needs `torch`, `transformers`, `tokenizers` and `numpy`. Parameters come from one formula of their name and position, which the test
has too: of each gradient its norm and a few of its values are stored.
"""

import json
import sys

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from resnets import digest, draw, number

SIZES = {"vocab_size": 30, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
         "max_position_embeddings": 12}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "a", "cat", "dog", "run", "##s", "##ning", "sleep", "über", "uber", ",", "."]
TEXTS = ["The cat runs.", "a dog, the cat", "", "Über sleeping zebra", "the dog runs the cat runs a dog sleeps", "  cat\n"]


def value_of(name, shape):
    drawn = draw(name, *shape)
    if "LayerNorm" in name and name.endswith("weight"):
        drawn = np.float32(1) + drawn * np.float32(0.5)
    elif len(shape) == 2 and "embeddings" not in name:
        drawn = drawn * np.float32(np.sqrt(3 / shape[1]))
    else:
        drawn = drawn * np.float32(0.5)
    return torch.tensor(drawn.astype(np.float64))


def tokenizer():
    words = WORDS + [f"t{i}" for i in range(len(WORDS), SIZES["vocab_size"])]
    vocabulary = {word: i for i, word in enumerate(words)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


def main():
    torch.set_default_dtype(torch.float64)
    config = BertConfig(**SIZES, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    net = BertModel(config, add_pooling_layer=False).eval()
    state = {name: value_of(name, tuple(value.shape)) for name, value in net.state_dict().items() if value.is_floating_point()}
    net.load_state_dict(state, strict=False)

    length = 8
    tokens = tokenizer()
    description = json.loads(tokens.to_str())
    tokens.enable_truncation(max_length=length)
    ids = [tokens.encode(text).ids for text in TEXTS]

    padded = torch.tensor([row + [0] * (length - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in ids])
    states = net(padded, attention_mask=mask).last_hidden_state
    weights = mask[:, :, None].to(states.dtype)
    features = (states * weights).sum(1) / weights.sum(1)
    projection = torch.tensor(draw("projection", *features.shape).astype(np.float64))
    (features * projection).sum().backward()
    json.dump({
        "sizes": SIZES, "length": length, "tokenizer": description, "texts": TEXTS, "ids": ids,
        "shapes": {name: list(value.shape) for name, value in state.items()},
        "features": [number(value) for value in features.detach().reshape(-1).tolist()],
        "gradients": {name: digest(value.grad) for name, value in net.named_parameters() if value.grad is not None},
    }, sys.stdout, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
