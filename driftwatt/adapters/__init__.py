"""Adapters that both rooms need: MQTT, bells, logs and the embedded broker."""
