//! Shared test strategies of gblend.
