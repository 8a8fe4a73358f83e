"""Pixels and labels: generated scenes, CIFAR, folders of images, the store, augmentation."""
