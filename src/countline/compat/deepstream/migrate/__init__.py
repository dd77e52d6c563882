"""From nvdsanalytics to native rules: conversion, and where and why the engines differ."""
