"""Networks of random weights, of Ultralytics' own descriptions: what they find is noise, but always the same."""

import torch
import ultralytics


def random_network(name, path):
    """One of Ultralytics' models that finds something nearly everywhere; it is saved to `path`, too."""
    torch.manual_seed(0)
    model = (ultralytics.RTDETR if "rtdetr" in name else ultralytics.YOLO)(f"{name}.yaml")
    for module in model.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # signals that survive the depth of an untrained network
            module.weight.data.uniform_(1.4, 2.6)
            module.bias.data.normal_(0, 0.3)
    head = model.model.model[-1]
    (_decoder if "rtdetr" in name else _grids)(head)
    model.save(path)
    return model


def _grids(head):
    for branch in [*head.cv3, *(getattr(head, "one2one_cv3", None) or [])]:
        torch.nn.init.normal_(branch[-1].weight, 0, 0.3)
        branch[-1].bias.data.fill_(0)
    for branch in [*getattr(head, "cv4", []), *(getattr(head, "one2one_cv4", None) or [])]:
        if isinstance(branch[-1], torch.nn.Conv2d):
            torch.nn.init.normal_(branch[-1].weight, 0, 0.2)


def _decoder(head):
    for layer in head.dec_score_head:
        layer.bias.data.fill_(-3)
        torch.nn.init.normal_(layer.weight, 0, 0.2)
    for layers in [head.enc_bbox_head, *head.dec_bbox_head]:
        torch.nn.init.normal_(layers.layers[-1].weight, 0, 0.1)
