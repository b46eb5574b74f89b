#!/bin/sh
echo sticky letters
