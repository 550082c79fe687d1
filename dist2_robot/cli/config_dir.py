"""Where the YAML files are, for the commands."""

from dist2_robot.config_dir import config_dir as config_dir
