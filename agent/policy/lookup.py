"""From a loaded site file to a table of routes with their profiles."""

from agent.config.load import LoadedSite
from agent.config.profiles import load_profile
from agent.policy.routes import RouteTable, route_table


def load_routes(loaded: LoadedSite) -> RouteTable:
    """The routes of a site with every profile that they name.

    Raises:
        ConfigurationError: A profile is missing or has a mistake (it was changed since the site was loaded).
    """
    names = {route.profile for route in loaded.site.routes if route.profile is not None}
    return route_table(
        loaded.site.routes, {name: load_profile(name, loaded.folder) for name in sorted(names)}
    )
